package bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;

/**
 * Takes the lines of a sale out of its JSON with Jackson's streaming parser, which binds nothing and skips what the rollup does not need. It is for one thread.
 *
 * <p>What counts: items of sales that are no tests and were not taken off the receipt.
 */
public final class Sale {
  /** Called for each line that counts. Quantity is in thousandths, amount in minor units. */
  public interface Lines {
    void line(String store, String product, long bucket, long quantity, long amount) throws IOException;
  }

  /** The grain of the rollup: buckets are seconds since 1970, UTC. A day is the till's day of trade; where it names none, that of its time where the till is. */
  public enum Grain {
    SECOND(1),
    HOUR(3600),
    DAY(86_400);

    final long seconds;

    Grain(long seconds) {
      this.seconds = seconds;
    }
  }

  private static final JsonFactory JSON = new JsonFactory();

  private final Grain grain;
  private String[] products = new String[8];
  private long[] quantities = new long[8];
  private long[] amounts = new long[8];
  private int lines;

  public Sale(Grain grain) {
    this.grain = grain;
  }

  /** Calls out for each line that counts. What is no sale is an error and ends the job: there are no dead letters here, and nothing may be dropped in silence. */
  public void parse(byte[] json, Lines out) throws IOException {
    String store = null, time = null, date = null;
    boolean counts = true;
    lines = 0;
    try (JsonParser p = JSON.createParser(json)) {
      if (p.nextToken() != JsonToken.START_OBJECT) {
        throw new IOException("an event is no object");
      }
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String name = p.currentName();
        p.nextToken();
        switch (name) {
          case "store_id" -> store = p.getText();
          case "time" -> time = p.getText();
          case "business_date" -> date = p.getText();
          case "kind" -> counts &= p.getText().equals("sale");
          case "test" -> counts &= !p.getBooleanValue();
          case "lines" -> lines(p);
          default -> p.skipChildren();
        }
      }
    }
    if (store == null || time == null) {
      throw new IOException("an event has no store_id or no time");
    }
    if (counts) {
      long bucket = grain == Grain.DAY ? day(date != null ? date : time) : Math.floorDiv(seconds(time), grain.seconds) * grain.seconds;
      for (int i = 0; i < lines; i++) {
        out.line(store, products[i], bucket, quantities[i], amounts[i]);
      }
    }
  }

  private void lines(JsonParser p) throws IOException {
    while (p.nextToken() == JsonToken.START_OBJECT) {
      String product = null;
      long quantity = 0, gross = 0, discount = 0, net = Long.MIN_VALUE;
      boolean counts = true;
      while (p.nextToken() != JsonToken.END_OBJECT) {
        String name = p.currentName();
        p.nextToken();
        switch (name) {
          case "product_id" -> product = p.getText();
          case "quantity" -> quantity = thousandths(p);
          case "gross" -> gross = p.getLongValue();
          case "discount" -> discount = p.getLongValue();
          case "net" -> net = p.getLongValue();
          case "voided" -> counts &= !p.getBooleanValue();
          case "kind" -> counts &= p.getText().equals("item");
          default -> p.skipChildren();
        }
      }
      if (counts) {
        add(product, quantity, net == Long.MIN_VALUE ? gross - discount : net);
      }
    }
  }

  private void add(String product, long quantity, long amount) {
    if (lines == products.length) {
      products = java.util.Arrays.copyOf(products, 2 * lines);
      quantities = java.util.Arrays.copyOf(quantities, 2 * lines);
      amounts = java.util.Arrays.copyOf(amounts, 2 * lines);
    }
    products[lines] = product;
    quantities[lines] = quantity;
    amounts[lines++] = amount;
  }

  private static long thousandths(JsonParser p) throws IOException {
    if (p.currentToken() == JsonToken.VALUE_NUMBER_INT) {
      return 1000 * p.getLongValue();
    }
    return p.getDecimalValue().movePointRight(3).longValueExact();
  }

  /** Seconds since 1970. Nearly all times are in UTC to the second or millisecond, for which java.time takes ten times as long. */
  static long seconds(String s) {
    int n = s.length();
    if ((n == 20 || n == 24) && s.charAt(n - 1) == 'Z' && s.charAt(10) == 'T') {
      return day(s) + 3600 * digits(s, 11, 13) + 60 * digits(s, 14, 16) + digits(s, 17, 19);
    }
    return s.endsWith("Z") ? Instant.parse(s).getEpochSecond() : OffsetDateTime.parse(s).toEpochSecond();
  }

  private static long day(String s) {
    return 86_400 * LocalDate.of(digits(s, 0, 4), digits(s, 5, 7), digits(s, 8, 10)).toEpochDay();
  }

  private static int digits(String s, int from, int to) {
    int n = 0;
    for (int i = from; i < to; i++) {
      int d = s.charAt(i) - '0';
      if (d < 0 || d > 9) {
        throw new IllegalArgumentException(s);
      }
      n = 10 * n + d;
    }
    return n;
  }
}
