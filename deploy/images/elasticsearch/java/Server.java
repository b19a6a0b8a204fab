import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.elasticsearch.bootstrap.BootstrapInfo;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** Starts one node of Elasticsearch in the folder es.path.home, without its launcher's checks and sandbox. SIGTERM closes it. */
public class Server {
    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(System.getProperty("es.path.home"));
        Settings settings = settings(home);
        LogConfigurator.registerErrorListener();
        BootstrapInfo.init();
        LogConfigurator.setClusterName(settings.get("cluster.name"));
        LogConfigurator.setNodeName(settings.get("node.name"));
        Environment environment = InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), home.resolve("config"), () -> "standin");
        LogConfigurator.configure(environment, true);
        // false: all on the class path, no Java modules
        PluginsLoader plugins = PluginsLoader.createPluginsLoader(
            PluginsLoader.loadModulesBundles(environment.modulesDir(), false), Set.of(), Map.of(), false);
        Node node = new Node(environment, plugins);
        CountDownLatch closed = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
                node.awaitClose(10, TimeUnit.SECONDS);
            } catch (Exception e) {
                e.printStackTrace();
            }
            closed.countDown();
        }));
        node.start();
        closed.await();
    }

    /** Those of Elastic's image, and every environment name in lower case with a dot, less those of modules that are not here. */
    private static Settings settings(Path home) {
        Settings.Builder settings = Settings.builder()
            .put("path.home", home)
            .put("path.data", home.resolve("data"))
            .put("path.logs", home.resolve("logs"))
            .put("cluster.name", "docker-cluster")
            .put("node.name", "standin")
            .put("network.host", "0.0.0.0")
            .put("discovery.type", "single-node");
        System.getenv().forEach((name, value) -> {
            if (name.matches("[a-z0-9_]+(\\.[a-z0-9_]+)+")) settings.put(name, value);
        });
        settings.keys().removeIf(name -> name.startsWith("xpack.") || name.startsWith("ingest.geoip."));
        return settings.build();
    }
}
