import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.List;
import java.util.Set;

/**
 * mongo-java-server over one file, whose path is the argument, at port 27017 of every address. By itself that server writes its file
 * once a second, so a SIGKILL would take acknowledged writes with it; here a write is in the file before its answer leaves.
 */
final class Mongod extends H2Backend {
  private static final Set<String> READS = Set.of(
      "ismaster", "hello", "ping", "buildInfo", "find", "getMore", "killCursors", "endSessions", "count", "distinct", "aggregate",
      "listCollections", "listDatabases", "listIndexes", "serverStatus");

  /** The version whose commands it knows, with that version's number of the wire protocol: it calls itself older, and drivers refuse that. */
  private enum Version implements MongoVersion {
    FIVE;

    @Override
    public List<Integer> getVersionArray() {
      return List.of(5, 0, 0);
    }

    @Override
    public int getWireVersion() {
      return 13;
    }
  }

  private Mongod(String file) {
    super(file);
    version(Version.FIVE);
  }

  @Override
  public Document handleMessage(MongoMessage message) {
    try {
      return super.handleMessage(message);
    } finally {
      // A batch that failed in part has written the other part.
      if (!READS.contains(message.getDocument().keySet().iterator().next())) commit();
    }
  }

  public static void main(String[] arguments) {
    MongoServer server = new MongoServer(new Mongod(arguments[0]));
    Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
    server.bind("0.0.0.0", 27017);
  }
}
