import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Java's HttpClient does what clients do, and prints what came of it as JSON.
 * Arguments: the server's URL, its certificate, an upload, and one that is too large.
 */
public class Client {
	static HttpClient client;
	static String url;

	public static void main(String[] args) throws Exception {
		url = args[0];
		client = HttpClient.newBuilder().sslContext(trust(args[1])).build();
		Path upload = Path.of(args[2]), large = Path.of(args[3]);
		var outcomes = new TreeMap<String, String>();
		outcomes.put("get", outcome(ask("/", null)));
		outcomes.put("upload", outcome(ask("/upload", BodyPublishers.ofFile(upload))));
		outcomes.put("upload without length", outcome(ask("/upload", BodyPublishers.ofInputStream(() -> open(upload)))));
		outcomes.put("download", outcome(ask("/file/large", null)));
		outcomes.put("download without length", outcome(ask("/stream/10MiB", null)));
		outcomes.put("range", outcome(ask("/file/large", null, "Range", "bytes=1000-5999")));
		outcomes.put("suffix range", outcome(ask("/file/large", null, "Range", "bytes=-5000")));
		outcomes.put("range beyond the end", "" + ask("/file/large", null, "Range", "bytes=20000000-").statusCode());
		var tag = ask("/file/large", null).headers().firstValue("ETag").get();
		outcomes.put("unchanged", outcome(ask("/file/large", null, "If-None-Match", tag)));
		var tooLarge = "";
		// Over HTTP/2, Java 17 waits for windows until its timeout, with the whole response at hand.
		client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).sslContext(trust(args[1])).build();
		for (int i = 0; i < 8; i++) {
			tooLarge += " " + ask("/upload", BodyPublishers.ofFile(large)).statusCode();
		}
		outcomes.put("too large", tooLarge.strip());
		outcomes.put("WebSocket", echo("κόσμε ".repeat(20_000)));
		System.out.println(json(outcomes));
		System.exit(0);
	}

	static SSLContext trust(String certificate) throws Exception {
		var store = KeyStore.getInstance(KeyStore.getDefaultType());
		store.load(null, null);
		try (var file = new FileInputStream(certificate)) {
			store.setCertificateEntry("server", CertificateFactory.getInstance("X.509").generateCertificate(file));
		}
		var managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
		managers.init(store);
		var context = SSLContext.getInstance("TLS");
		context.init(null, managers.getTrustManagers(), null);
		return context;
	}

	static FileInputStream open(Path path) {
		try {
			return new FileInputStream(path.toFile());
		} catch (Exception e) {
			throw new RuntimeException(e);
		}
	}

	static HttpResponse<byte[]> ask(String path, BodyPublisher content, String... fields) throws Exception {
		var request = HttpRequest.newBuilder(URI.create(url + path)).timeout(Duration.ofSeconds(25));
		if (fields.length > 0) {
			request.headers(fields);
		}
		if (content != null) {
			request.POST(content);
		}
		return client.send(request.build(), BodyHandlers.ofByteArray());
	}

	static String outcome(HttpResponse<byte[]> response) throws Exception {
		var content = response.body();
		var text = new String(content, "UTF-8").strip();
		if (content.length >= 200) {
			text = content.length + " bytes " + HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
		}
		return (response.statusCode() + " " + text).strip();
	}

	static String echo(String text) throws Exception {
		var result = new CompletableFuture<String>();
		var heard = new StringBuilder();
		var socket = client.newWebSocketBuilder().buildAsync(URI.create(url.replaceFirst("http", "ws") + "/ws"), new WebSocket.Listener() {
			@Override
			public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean last) {
				heard.append(part);
				if (last) {
					socket.sendClose(WebSocket.NORMAL_CLOSURE, "");
				}
				socket.request(1);
				return null;
			}

			@Override
			public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
				result.complete((heard.toString().equals(text) ? "the same" : "something else") + ", closed with " + code);
				return null;
			}

			@Override
			public void onError(WebSocket socket, Throwable error) {
				result.completeExceptionally(error);
			}
		}).get(25, TimeUnit.SECONDS);
		socket.sendText(text, true);
		return result.get(25, TimeUnit.SECONDS);
	}

	static String json(Map<String, String> texts) {
		var out = new StringBuilder("{");
		texts.forEach((name, text) -> out.append(out.length() > 1 ? "," : "").append(quote(name)).append(':').append(quote(text)));
		return out.append('}').toString();
	}

	static String quote(String text) {
		return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
	}
}
