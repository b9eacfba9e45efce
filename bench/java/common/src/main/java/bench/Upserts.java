package bench;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Rows of the rollup on their way to ClickHouse: one INSERT over HTTP for each flush, in RowBinary, which ClickHouse reads faster than any text. They are not
 * compressed, as it is the fastest on loopback. Rows are absolute and the table replaces by their number of lines, so a row that is sent again does no harm.
 */
public final class Upserts {
  private static final int MOST = 32 << 20; // bytes of an INSERT

  private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final URI insert;
  private byte[] rows = new byte[1 << 20];
  private int length;

  /** Takes the address of ClickHouse's HTTP interface, http://host:port/, and the table, database.name. */
  public Upserts(String clickhouse, String table) {
    String query = "INSERT INTO " + table + " (store_id, product_id, bucket, lines, quantity, amount) FORMAT RowBinary";
    insert = URI.create(clickhouse + "?async_insert=0&query=" + URLEncoder.encode(query, StandardCharsets.UTF_8));
  }

  /** Adds a row, whose key is as {@link #key} makes it. */
  public void add(String key, long lines, long quantity, long amount) throws IOException {
    int a = key.indexOf('\0'), b = key.indexOf('\0', a + 1);
    if (length > MOST) {
      flush();
    }
    text(key.substring(0, a));
    text(key.substring(a + 1, b));
    little(Long.parseLong(key, b + 1, key.length(), 10), 4);
    little(lines, 8);
    little(quantity, 8);
    little(amount, 8);
  }

  /** The key of a row as one string. */
  public static String key(String store, String product, long bucket) {
    return store + '\0' + product + '\0' + bucket;
  }

  /** Returns when ClickHouse has all rows that were added. */
  public void flush() throws IOException {
    if (length == 0) {
      return;
    }
    HttpRequest request = HttpRequest.newBuilder(insert).POST(HttpRequest.BodyPublishers.ofByteArray(rows, 0, length)).build();
    HttpResponse<String> response;
    try {
      response = client.send(request, HttpResponse.BodyHandlers.ofString());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("inserting into ClickHouse");
    }
    if (response.statusCode() != 200) {
      throw new IOException("inserting into ClickHouse: " + response.body());
    }
    length = 0;
  }

  private void text(String s) {
    byte[] b = s.getBytes(StandardCharsets.UTF_8);
    int n = b.length;
    room(n + 5);
    for (; n >= 0x80; n >>>= 7) {
      rows[length++] = (byte) (n | 0x80);
    }
    rows[length++] = (byte) n;
    System.arraycopy(b, 0, rows, length, b.length);
    length += b.length;
  }

  private void little(long v, int bytes) {
    room(bytes);
    for (int i = 0; i < bytes; i++, v >>>= 8) {
      rows[length++] = (byte) v;
    }
  }

  private void room(int n) {
    if (length + n > rows.length) {
      rows = Arrays.copyOf(rows, Math.max(2 * rows.length, length + n));
    }
  }
}
