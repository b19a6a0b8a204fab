import static org.elasticsearch.rest.RestRequest.Method.DELETE;
import static org.elasticsearch.rest.RestRequest.Method.GET;
import static org.elasticsearch.rest.RestRequest.Method.HEAD;
import static org.elasticsearch.rest.RestRequest.Method.PUT;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.apache.lucene.util.Version;
import org.elasticsearch.Build;
import org.elasticsearch.ElasticsearchSecurityException;
import org.elasticsearch.ResourceAlreadyExistsException;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.ActionRequest;
import org.elasticsearch.action.admin.indices.create.AutoCreateAction;
import org.elasticsearch.action.admin.indices.create.CreateIndexRequest;
import org.elasticsearch.action.admin.indices.create.CreateIndexResponse;
import org.elasticsearch.action.support.ActionFilter;
import org.elasticsearch.action.support.master.AcknowledgedResponse;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.ClusterState;
import org.elasticsearch.cluster.ClusterStateUpdateTask;
import org.elasticsearch.cluster.metadata.DataStream;
import org.elasticsearch.cluster.metadata.MetadataDataStreamsService;
import org.elasticsearch.cluster.metadata.MetadataIndexTemplateService;
import org.elasticsearch.cluster.metadata.ProjectId;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.Priority;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.util.concurrent.ThreadContext;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.index.IndexNotFoundException;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestHeaderDefinition;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.rest.action.RestToXContentListener;
import org.elasticsearch.tasks.Task;
import org.elasticsearch.xcontent.ToXContent;
import org.elasticsearch.xcontent.XContentBuilder;

/**
 * What the modules rest-root and data-streams serve, which are not published as jars, as far as clients that write need it: `/` and `/_data_stream`.
 * And Basic authentication of the user `elastic` where ELASTIC_PASSWORD is set.
 */
public class StandIn extends Plugin implements ActionPlugin {
    private final String password = System.getenv("ELASTIC_PASSWORD");
    private ClusterService cluster;
    private ThreadContext context;

    @Override
    public Collection<?> createComponents(PluginServices services) {
        cluster = services.clusterService();
        context = services.threadPool().getThreadContext();
        return List.of();
    }

    // --- authentication ---

    /** Of what came by HTTP only: the node's own work runs through the same actions. */
    private void authenticate() {
        if (password == null || password.isEmpty() || context.isSystemContext() || context.getTransient(Task.TRACE_START_TIME) == null) return;
        String given = context.getHeader("Authorization");
        if (("Basic " + Base64.getEncoder().encodeToString(("elastic:" + password).getBytes(StandardCharsets.UTF_8))).equals(given)) return;
        var refusal = new ElasticsearchSecurityException(
            given == null ? "missing authentication credentials for REST request" : "unable to authenticate user", RestStatus.UNAUTHORIZED);
        refusal.addBodyHeader("WWW-Authenticate", "Basic realm=\"security\", charset=\"UTF-8\"");
        throw refusal;
    }

    @Override
    public Collection<RestHeaderDefinition> getRestHeaders() {
        return List.of(new RestHeaderDefinition("Authorization", false));
    }

    @Override
    public Collection<ActionFilter> getActionFilters() {
        return List.of(new ActionFilter.Simple() {
            @Override
            public int order() {
                return 0;
            }

            @Override
            protected boolean apply(String action, ActionRequest request, ActionListener<?> listener) {
                authenticate();
                return true;
            }
        });
    }

    // --- what is served ---

    @Override
    public Collection<RestHandler> getRestHandlers(RestHandlersServices services, Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> features) {
        return List.of(new Main(), new PutDataStream(), new GetDataStreams(), new DeleteDataStreams());
    }

    private abstract static class Handler extends BaseRestHandler {
        private final List<Route> routes;

        Handler(Route... routes) {
            this.routes = List.of(routes);
        }

        @Override
        public String getName() {
            return "standin_" + getClass().getSimpleName();
        }

        @Override
        public List<Route> routes() {
            return routes;
        }
    }

    private class Main extends Handler {
        Main() {
            super(new Route(GET, "/"), new Route(HEAD, "/"));
        }

        @Override
        protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
            authenticate(); // no action, so no filter
            return channel -> {
                Build build = Build.current();
                XContentBuilder json = channel.newBuilder().prettyPrint().startObject();
                json.field("name", cluster.getNodeName());
                json.field("cluster_name", cluster.getClusterName().value());
                json.field("cluster_uuid", cluster.state().metadata().clusterUUID());
                json.startObject("version");
                json.field("number", build.qualifiedVersion());
                json.field("build_flavor", "default");
                json.field("build_type", build.type().displayName());
                json.field("build_hash", build.hash());
                json.field("build_date", build.date());
                json.field("build_snapshot", build.isSnapshot());
                json.field("lucene_version", Version.LATEST.toString());
                json.field("minimum_wire_compatibility_version", build.minWireCompatVersion());
                json.field("minimum_index_compatibility_version", build.minIndexCompatVersion());
                json.endObject();
                json.field("tagline", "You Know, for Search").endObject();
                channel.sendResponse(new RestResponse(RestStatus.OK, json));
            };
        }
    }

    private class PutDataStream extends Handler {
        PutDataStream() {
            super(new Route(PUT, "/_data_stream/{name}"));
        }

        @Override
        protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
            String name = request.param("name");
            return channel -> {
                var metadata = cluster.state().metadata().getProject();
                String template = MetadataIndexTemplateService.findV2Template(metadata, name, false);
                if (template == null || metadata.templatesV2().get(template).getDataStreamTemplate() == null) {
                    throw new IllegalArgumentException("no matching index template found for data stream [" + name + "]");
                }
                if (metadata.dataStreams().containsKey(name)) throw new ResourceAlreadyExistsException("data_stream [" + name + "] already exists");
                client.execute(AutoCreateAction.INSTANCE, new CreateIndexRequest(name), new RestToXContentListener<CreateIndexResponse>(channel).map(x -> x));
            };
        }
    }

    private class GetDataStreams extends Handler {
        GetDataStreams() {
            super(new Route(GET, "/_data_stream"), new Route(GET, "/_data_stream/{name}"));
        }

        @Override
        protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
            authenticate(); // no action either
            List<DataStream> found = find(request.param("name", "*"));
            return channel -> {
                XContentBuilder json = channel.newBuilder().startObject().startArray("data_streams");
                for (DataStream stream : found) stream.toXContent(json, ToXContent.EMPTY_PARAMS);
                channel.sendResponse(new RestResponse(RestStatus.OK, json.endArray().endObject()));
            };
        }
    }

    private class DeleteDataStreams extends Handler {
        DeleteDataStreams() {
            super(new Route(DELETE, "/_data_stream/{name}"));
        }

        @Override
        protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
            authenticate(); // a task of the master is no action
            List<DataStream> found = find(request.param("name"));
            return channel -> {
                var answer = new RestToXContentListener<AcknowledgedResponse>(channel);
                cluster.submitUnbatchedStateUpdateTask("delete data streams", new ClusterStateUpdateTask(Priority.HIGH) {
                    @Override
                    public ClusterState execute(ClusterState state) {
                        return MetadataDataStreamsService.deleteDataStreams(state.projectState(ProjectId.DEFAULT), new HashSet<>(found), Settings.EMPTY);
                    }

                    @Override
                    public void clusterStateProcessed(ClusterState before, ClusterState after) {
                        answer.onResponse(AcknowledgedResponse.TRUE);
                    }

                    @Override
                    public void onFailure(Exception e) {
                        answer.onFailure(e);
                    }
                });
            };
        }
    }

    /** Names parted by commas, with `*`; a plain name that no data stream has is an error. */
    private List<DataStream> find(String expression) {
        List<DataStream> found = new ArrayList<>();
        for (String name : expression.split(",")) {
            Pattern pattern = Pattern.compile(name.equals("_all") ? ".*" : Pattern.quote(name).replace("*", "\\E.*\\Q"));
            int before = found.size();
            for (DataStream stream : cluster.state().metadata().getProject().dataStreams().values()) {
                if (pattern.matcher(stream.getName()).matches()) found.add(stream);
            }
            if (found.size() == before && name.indexOf('*') < 0 && !name.equals("_all")) throw new IndexNotFoundException(name);
        }
        return found;
    }
}
