package bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.StateStoreContext;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.internals.CacheFlushListener;
import org.apache.kafka.streams.state.internals.CachedStateStore;

/**
 * The rollup in Kafka Streams, exactly once (v2), with state in RocksDB behind a cache and a changelog.
 *
 * <p>It is written with the Processor API: the topic is keyed by store, so all that adds to one row is in one partition. The DSL's groupByKey could not know
 * that and would send each line through a repartition topic. What a commit covers is in ClickHouse before it: {@link Outbox} is asked to flush when the caches
 * are, which is before the transaction commits.
 */
public final class KStreams {
  private static final String ROLLUP = "rollup", OUTBOX = "outbox";

  private KStreams() {}

  public static void main(String[] args) {
    Job job = Job.fromProperties();
    Properties p = new Properties();
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, job.group());
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, job.bootstrap());
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, job.threads());
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, job.flushMillis());
    p.put(StreamsConfig.STATE_DIR_CONFIG, job.dir());
    p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256L << 20); // every row of the rollup stays in it
    p.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 20_000);
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4 << 20);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    p.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);

    StreamsBuilder b = new StreamsBuilder();
    b.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(ROLLUP), Serdes.String(), Serdes.ByteArray()).withCachingEnabled());
    b.addStateStore(new OutboxBuilder(job));
    b.stream(job.topic(), Consumed.with(Serdes.ByteArray(), Serdes.ByteArray())).process(() -> new Fold(job), ROLLUP, OUTBOX);
    KafkaStreams streams = new KafkaStreams(b.build(), p);
    streams.setUncaughtExceptionHandler(
        e -> {
          e.printStackTrace();
          Runtime.getRuntime().halt(1); // else it would shut down in peace, with status 0
          return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
        });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(java.time.Duration.ofSeconds(20))));
    streams.start();
  }

  /** Adds the lines of a record to their rows. */
  private static final class Fold implements Processor<byte[], byte[], Void, Void> {
    private final Sale sale;
    private KeyValueStore<String, byte[]> rollup;
    private Outbox outbox;

    Fold(Job job) {
      sale = new Sale(job.grain());
    }

    @Override
    public void init(ProcessorContext<Void, Void> context) {
      rollup = context.getStateStore(ROLLUP);
      outbox = context.getStateStore(OUTBOX);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      Job.begun();
      try {
        sale.parse(record.value(), this::add);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    private void add(String store, String product, long bucket, long quantity, long amount) {
      String key = Upserts.key(store, product, bucket);
      byte[] was = rollup.get(key);
      ByteBuffer now = ByteBuffer.allocate(24); // what the cache has must not be written to
      if (was == null) {
        now.putLong(1).putLong(quantity).putLong(amount);
      } else {
        ByteBuffer w = ByteBuffer.wrap(was);
        now.putLong(w.getLong() + 1).putLong(w.getLong() + quantity).putLong(w.getLong() + amount);
      }
      rollup.put(key, now.array());
      outbox.changed.put(key, now.array());
    }
  }

  /**
   * The rows that have changed since the last commit. It is a store, and one with a cache, since only such a one is told of a commit before it happens; the
   * interface is internal to Kafka Streams, which has no public one.
   */
  private static final class Outbox implements StateStore, CachedStateStore<Object, Object> {
    final Map<String, byte[]> changed = new HashMap<>();
    private final Upserts upserts;
    private boolean open;

    Outbox(Job job) {
      upserts = new Upserts(job.clickhouse(), job.table());
    }

    @Override
    public void flushCache() {
      try {
        for (Map.Entry<String, byte[]> row : changed.entrySet()) {
          ByteBuffer v = ByteBuffer.wrap(row.getValue());
          upserts.add(row.getKey(), v.getLong(), v.getLong(), v.getLong());
        }
        upserts.flush();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      changed.clear();
    }

    @Override
    public void init(StateStoreContext context, StateStore root) {
      open = true;
      context.register(root, (key, value) -> {});
    }

    @Override
    public boolean setFlushListener(CacheFlushListener<Object, Object> listener, boolean sendOldValues) {
      return false;
    }

    @Override
    public void clearCache() {
      changed.clear();
    }

    @Override
    public String name() {
      return OUTBOX;
    }

    @Override
    public void close() {
      open = false;
    }

    @Override
    public boolean persistent() {
      return false;
    }

    @Override
    public boolean isOpen() {
      return open;
    }
  }

  private record OutboxBuilder(Job job) implements StoreBuilder<Outbox> {
    @Override
    public Outbox build() {
      return new Outbox(job);
    }

    @Override
    public String name() {
      return OUTBOX;
    }

    @Override
    public Map<String, String> logConfig() {
      return Map.of();
    }

    @Override
    public boolean loggingEnabled() {
      return false;
    }

    @Override
    public StoreBuilder<Outbox> withCachingEnabled() {
      return this;
    }

    @Override
    public StoreBuilder<Outbox> withCachingDisabled() {
      return this;
    }

    @Override
    public StoreBuilder<Outbox> withLoggingEnabled(Map<String, String> config) {
      return this;
    }

    @Override
    public StoreBuilder<Outbox> withLoggingDisabled() {
      return this;
    }
  }
}
