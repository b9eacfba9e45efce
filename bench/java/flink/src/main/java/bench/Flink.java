package bench;

import java.io.IOException;
import java.io.Serializable;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.api.common.serialization.AbstractDeserializationSchema;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.KafkaSourceBuilder;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;

/**
 * The rollup in Flink, exactly once by checkpoints, in one process (MiniCluster), state on the heap, which is the fastest.
 *
 * <p>It is the plan of Flink SQL's two-phase aggregation in mini-batches, which its manual advises: lines are added up where they were read, sums go to the
 * owner of the key, which adds them to its state and tells the sink what has changed; both let go right before each checkpoint. No windows: a bucket is part of
 * the key, so nothing is late, and rows appear while their hour is still open.
 *
 * <p>With -Dbench.windows=true it is what tutorials show instead: event-time windows behind a watermark that waits ten minutes. Reading several partitions with a
 * backlog, it drops lines as late and says nothing.
 */
public final class Flink {
  private Flink() {}

  /** Key, lines, quantity, amount. */
  private static final TypeInformation<Tuple4<String, Long, Long, Long>> ROW = Types.TUPLE(Types.STRING, Types.LONG, Types.LONG, Types.LONG);

  public static void main(String[] args) throws Exception {
    Job job = Job.fromProperties();
    boolean windows = Boolean.getBoolean("bench.windows");
    Configuration c = new Configuration();
    c.setString("rest.bind-port", "0");
    c.setString("pipeline.object-reuse", "true");
    c.setString("state.backend.type", "hashmap");
    c.setString("execution.checkpointing.interval", job.flushMillis() + " ms");
    c.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
    c.setString("execution.checkpointing.storage", "filesystem");
    c.setString("execution.checkpointing.dir", "file://" + job.dir());
    c.setString("restart-strategy.type", "none");
    StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(job.threads(), c);

    KafkaSourceBuilder<byte[]> source =
        KafkaSource.<byte[]>builder()
            .setBootstrapServers(job.bootstrap())
            .setTopics(job.topic())
            .setGroupId(job.group())
            .setStartingOffsets(OffsetsInitializer.committedOffsets(OffsetResetStrategy.EARLIEST))
            .setProperty("max.poll.records", "10000")
            .setProperty("max.partition.fetch.bytes", Integer.toString(4 << 20))
            .setValueOnlyDeserializer(new Bytes());
    if (windows) {
      source.setBounded(OffsetsInitializer.latest()); // windows that nothing comes after would never close
    }
    DataStream<byte[]> records = env.fromSource(source.build(), WatermarkStrategy.noWatermarks(), "kafka");
    DataStream<Tuple4<String, Long, Long, Long>> rows = windows ? windowed(records, job) : rollup(records, job);
    rows.sinkTo(new ClickHouse(job.clickhouse(), job.table())).name("clickhouse");
    env.execute("rollup");
  }

  static DataStream<Tuple4<String, Long, Long, Long>> rollup(DataStream<byte[]> records, Job job) {
    return records
        .transform("parse and add up", ROW, new Local(job.grain()))
        .keyBy(r -> r.f0)
        .transform("rollup", ROW, new Global());
  }

  static DataStream<Tuple4<String, Long, Long, Long>> windowed(DataStream<byte[]> records, Job job) {
    return records
        .flatMap(new Parse())
        .returns(ROW)
        .assignTimestampsAndWatermarks(
            WatermarkStrategy.<Tuple4<String, Long, Long, Long>>forBoundedOutOfOrderness(Duration.ofMinutes(10)).withTimestampAssigner((line, t) -> 1000 * line.f1))
        .keyBy(line -> line.f0)
        .window(TumblingEventTimeWindows.of(Duration.ofSeconds(job.grain().seconds)))
        .process(new Total())
        .returns(ROW);
  }

  static final class Bytes extends AbstractDeserializationSchema<byte[]> {
    @Override
    public byte[] deserialize(byte[] b) {
      Job.begun();
      return b;
    }
  }

  /** Store and product, time, quantity, amount of each line. */
  static final class Parse implements FlatMapFunction<byte[], Tuple4<String, Long, Long, Long>> {
    private transient Sale sale;

    @Override
    public void flatMap(byte[] json, Collector<Tuple4<String, Long, Long, Long>> out) throws IOException {
      if (sale == null) {
        sale = new Sale(Sale.Grain.SECOND);
      }
      sale.parse(json, (store, product, time, quantity, amount) -> out.collect(Tuple4.of(store + '\0' + product, time, quantity, amount)));
    }
  }

  static final class Total extends ProcessWindowFunction<Tuple4<String, Long, Long, Long>, Tuple4<String, Long, Long, Long>, String, TimeWindow> {
    @Override
    public void process(String key, Context context, Iterable<Tuple4<String, Long, Long, Long>> lines, Collector<Tuple4<String, Long, Long, Long>> out) {
      Tuple4<String, Long, Long, Long> row = Tuple4.of(key + '\0' + context.window().getStart() / 1000, 0L, 0L, 0L);
      for (Tuple4<String, Long, Long, Long> line : lines) {
        row.f1++;
        row.f2 += line.f2;
        row.f3 += line.f3;
      }
      out.collect(row);
    }
  }

  /** What was added up and not yet let go. */
  static final class Sums extends HashMap<String, long[]> {
    static final int MOST = 100_000; // keys, so that memory has a bound

    void add(String key, long lines, long quantity, long amount) {
      long[] sum = get(key);
      if (sum == null) {
        put(key, new long[] {lines, quantity, amount});
      } else {
        sum[0] += lines;
        sum[1] += quantity;
        sum[2] += amount;
      }
    }
  }

  /** Parses, and adds up lines of a key before they travel. */
  static final class Local extends AbstractStreamOperator<Tuple4<String, Long, Long, Long>>
      implements OneInputStreamOperator<byte[], Tuple4<String, Long, Long, Long>>, BoundedOneInput {
    private final Sale.Grain grain;
    private transient Sale sale;
    private transient Sums sums;

    Local(Sale.Grain grain) {
      this.grain = grain;
    }

    @Override
    public void open() throws Exception {
      super.open();
      sale = new Sale(grain);
      sums = new Sums();
    }

    @Override
    public void processElement(StreamRecord<byte[]> record) throws IOException {
      sale.parse(record.getValue(), (store, product, bucket, quantity, amount) -> sums.add(Upserts.key(store, product, bucket), 1, quantity, amount));
      if (sums.size() >= Sums.MOST) {
        release();
      }
    }

    @Override
    public void prepareSnapshotPreBarrier(long checkpoint) {
      release();
    }

    @Override
    public void endInput() {
      release();
    }

    private void release() {
      StreamRecord<Tuple4<String, Long, Long, Long>> out = new StreamRecord<>(null);
      for (Map.Entry<String, long[]> e : sums.entrySet()) {
        long[] v = e.getValue();
        output.collect(out.replace(Tuple4.of(e.getKey(), v[0], v[1], v[2])));
      }
      sums.clear();
    }
  }

  /** Keeps the rows of the rollup. It touches the state of a key once a mini-batch. */
  static final class Global extends AbstractStreamOperator<Tuple4<String, Long, Long, Long>>
      implements OneInputStreamOperator<Tuple4<String, Long, Long, Long>, Tuple4<String, Long, Long, Long>>, BoundedOneInput {
    private transient ValueState<Tuple4<String, Long, Long, Long>> state;
    private transient Sums sums;

    @Override
    public void open() throws Exception {
      super.open();
      state = getRuntimeContext().getState(new ValueStateDescriptor<>("row", ROW));
      sums = new Sums();
    }

    @Override
    public void processElement(StreamRecord<Tuple4<String, Long, Long, Long>> record) throws Exception {
      Tuple4<String, Long, Long, Long> r = record.getValue();
      sums.add(r.f0, r.f1, r.f2, r.f3);
      if (sums.size() >= Sums.MOST) {
        release();
      }
    }

    @Override
    public void prepareSnapshotPreBarrier(long checkpoint) throws Exception {
      release();
    }

    @Override
    public void endInput() throws Exception {
      release();
    }

    private void release() throws Exception {
      StreamRecord<Tuple4<String, Long, Long, Long>> out = new StreamRecord<>(null);
      for (Map.Entry<String, long[]> e : sums.entrySet()) {
        setCurrentKey(e.getKey());
        long[] v = e.getValue();
        Tuple4<String, Long, Long, Long> was = state.value();
        Tuple4<String, Long, Long, Long> now =
            was == null ? Tuple4.of(e.getKey(), v[0], v[1], v[2]) : Tuple4.of(e.getKey(), was.f1 + v[0], was.f2 + v[1], was.f3 + v[2]);
        state.update(now);
        output.collect(out.replace(now));
      }
      sums.clear();
    }
  }

  /** Has everything in ClickHouse before a checkpoint is complete. */
  record ClickHouse(String address, String table) implements Sink<Tuple4<String, Long, Long, Long>>, Serializable {
    @Override
    public SinkWriter<Tuple4<String, Long, Long, Long>> createWriter(WriterInitContext context) {
      Upserts upserts = new Upserts(address, table);
      return new SinkWriter<>() {
        @Override
        public void write(Tuple4<String, Long, Long, Long> r, Context context) throws IOException {
          upserts.add(r.f0, r.f1, r.f2, r.f3);
        }

        @Override
        public void flush(boolean endOfInput) throws IOException {
          upserts.flush();
        }

        @Override
        public void close() {}
      };
    }
  }
}
