package bench;

import java.util.concurrent.atomic.AtomicBoolean;

/** What every job is told by the harness, as system properties, and what it tells: a line when the first record is there, from which on time counts. */
public record Job(String bootstrap, String topic, String group, String clickhouse, String table, int threads, long flushMillis, Sale.Grain grain, String dir) {
  private static final AtomicBoolean BEGUN = new AtomicBoolean();

  public static Job fromProperties() {
    return new Job(
        must("bootstrap"), must("topic"), must("group"), must("clickhouse"), must("table"), Integer.parseInt(must("threads")), Long.parseLong(must("flush.ms")),
        Sale.Grain.valueOf(must("grain").toUpperCase(java.util.Locale.ROOT)), must("dir"));
  }

  /** Is called for each record. */
  public static void begun() {
    if (!BEGUN.get() && BEGUN.compareAndSet(false, true)) {
      System.out.println("begun");
    }
  }

  private static String must(String name) {
    String v = System.getProperty("bench." + name);
    if (v == null) {
      throw new IllegalArgumentException("property bench." + name + " is missing");
    }
    return v;
  }
}
