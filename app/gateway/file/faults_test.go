package file

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// fault is a file and all that is said about it.
type fault struct{ text, want string }

var faults = []fault{
	{"",
		"1:1: the file is empty"},
	{"routes: {/: a}\nbackends: {a: http://h}\nroutes: {}",
		"3:1: the key \"routes\" is there twice, first in line 1"},
	{"routes:\n\t/: a\n",
		"2:1: the YAML is wrong: a tab cannot indent a line or begin a value; use blanks"},
	{"routes: [",
		"1:9: the YAML is wrong: sequence end token ']' not found"},
	{"routes:\n  /: a\n---\nroutes: {}\n",
		"4:1: there is a second document: a gateway's file has one"},
	{"routes: {/: a}\nbackend: {a: http://h}\n",
		"1:13: there is no backend \"a\"\n" +
			"2:1: there is no key \"backend\"; did you mean \"backends\"?"},
	{"routes: {/: a}\nbackends: {a: http://h}\ninclude: other.yaml\n",
		"3:1: there is no key \"include\": files cannot be included"},
	{"routes:\n  /: {to: a, timout: 5s}\nbackends: {a: http://h}\n",
		"2:14: there is no key \"timout\"; did you mean \"timeout\"?"},
	{"routes:\n  /: {to: a, quux: 5s}\nbackends: {a: http://h}\n",
		"2:14: there is no key \"quux\" here; there are when, to, rewrite, request, response, timeout, try-timeout, idle, retry, body, limit, concurrency, mirror, auth, redirect, status, respond, compress, paths"},
	{"routes:\n  /: a\n  /: b\nbackends: {a: http://h, b: http://i}\n",
		"3:3: the key \"/\" is there twice, first in line 2"},
	{"routes:\n  /: users\nbackends: {user: http://h}\n",
		"2:6: there is no backend \"users\"; did you mean \"user\"?\n" +
			"3:12: warning: no route uses the backend \"user\""},
	{"routes:\n  /: http://h\nbackends: {}\n",
		"2:6: a route names a backend; give \"http://h\" a name under backends"},
	{"routes:\n  /: {to: [a, b]}\nbackends: {a: http://h}\n",
		"2:11: to is a mapping, not a list"},
	{"routes:\n  /: {to: {a: 0}}\nbackends: {a: http://h}\n",
		"2:11: the shares add up to 0: no backend would get a request"},
	{"routes:\n  /: {to: {a: x}}\nbackends: {a: http://h}\n",
		"2:15: a is a whole number, not the text \"x\""},
	{"routes:\n  /: {timeout: 5s}\nbackends: {a: http://h}\n",
		"2:6: the case has none of to, redirect and respond\n" +
			"3:12: warning: no route uses the backend \"a\""},
	{"routes:\n  /: {to: a, respond: {status: 200}}\nbackends: {a: http://h}\n",
		"2:14: a case has only one of to, redirect and respond, and this one has to and respond"},
	{"routes:\n  /: {to: a, timeout: 5}\nbackends: {a: http://h}\n",
		"2:23: \"5\" has no unit: write 5s or 5ms"},
	{"routes:\n  /: {to: a, timeout: fast}\nbackends: {a: http://h}\n",
		"2:23: \"fast\" is not a duration such as 150ms, 5s or 1h30m"},
	{"routes:\n  /: {to: a, timeout: 0s}\nbackends: {a: http://h}\n",
		"2:23: \"0s\" is not longer than 0"},
	{"routes:\n  /: {to: a, timeout: [5s]}\nbackends: {a: http://h}\n",
		"2:23: timeout is a duration such as 150ms, 5s or 1h30m, not a list"},
	{"routes:\n  /: {to: a, body: 5MB}\nbackends: {a: http://h}\n",
		"2:20: \"5MB\" is not a size: the units are KiB, MiB and GiB, so write 5MiB"},
	{"routes:\n  /: {to: a, limit: {rate: 100}}\nbackends: {a: http://h}\n",
		"2:28: \"100\" is not a rate such as 100/s, 600/m or 1000/h"},
	{"routes:\n  /: {to: a, limit: {burst: 100}}\nbackends: {a: http://h}\n",
		"2:21: limit needs a rate, such as 100/s"},
	{"routes:\n  /: {to: a, limit: {rate: 1/s, key: ip}}\nbackends: {a: http://h}\n",
		"2:38: \"ip\" is not client or header:NAME"},
	{"routes:\n  /: {to: a, mirror: {b: 10}}\nbackends: {a: http://h, b: http://i}\n",
		"2:26: \"10\" has no percent sign: write 10%"},
	{"routes:\n  /: {to: a, retry: often}\nbackends: {a: http://h}\n",
		"2:21: retry is a whole number, not the text \"often\""},
	{"routes:\n  /: {to: a, retry: {on: [200], methods: [post]}}\nbackends: {a: http://h}\n",
		"2:27: 200 is not the status of an error, from 400 to 599\n" +
			"2:43: methods have case: write POST"},
	{"routes:\n  /: {to: a, request: {set: {\":path\": x, Content-Length: 5}, remove: [connection, \"a b\"]}}\nbackends: {a: http://h}\n",
		"2:30: \":path\" is a pseudo-field, which cannot be changed; rewrite changes path and host\n" +
			"2:42: Content-Length belongs to the connection or to framing, and cannot be changed\n" +
			"2:71: connection belongs to the connection or to framing, and cannot be changed\n" +
			"2:83: \"a b\" is not the name of a field"},
	{"routes:\n  /: {to: a, response: {add: {Host: x}}}\nbackends: {a: http://h}\n",
		"2:31: Host cannot be changed here; rewrite: {host} does it"},
	{"routes:\n  /old/{path...}: {redirect: \"https://new/{rest}\"}\n",
		"2:30: the pattern has no wildcard {rest}"},
	{"routes:\n  /old/{path...}: {redirect: \"https://{path}/\", status: 200}\n",
		"2:30: {path} in the host would let clients choose where they are sent\n" +
			"2:57: 200 is not the status of a redirection: 301, 302, 303, 307 or 308"},
	{"routes:\n  /a/{x}: {to: a, rewrite: {path: \"v2/{y}\"}}\nbackends: {a: http://h}\n",
		"2:35: the pattern has no wildcard {y}\n" +
			"2:35: the path must begin with a slash"},
	{"routes:\n  /a/{x}: a\n  /{y}/b: a\nbackends: {a: http://h}\n",
		"3:3: the pattern \"/{y}/b\" conflicts with \"/a/{x}\": both match the same request, and neither is more specific; the other one is in line 2"},
	{"routes:\n  a.example: a\n  h:80/: a\n  \"a.*.b/\": a\nbackends: {a: http://h}\n",
		"2:3: the pattern \"a.example\" is wrong: the path, which starts with a slash, is missing\n" +
			"3:3: the pattern \"h:80/\" is wrong: a port is not allowed: a host matches on all ports\n" +
			"4:3: the pattern \"a.*.b/\" is wrong: in a host * is only allowed at the start, followed by a dot"},
	{"routes:\n  /:\n    - {when: {header: {X: {regex: \"(\"}}}, to: a}\nbackends: {a: http://h}\n",
		"3:35: the expression is wrong: missing closing ): `(`"},
	{"routes:\n  /:\n    - {when: {from: [10.0.0.1/8, here]}, to: a}\nbackends: {a: http://h}\n",
		"3:22: \"10.0.0.1/8\" has bits behind its prefix: the network is 10.0.0.0/8\n" +
			"3:34: \"here\" is not a network such as 10.0.0.0/8, or an address"},
	{"routes:\n  /:\n    - a\n    - {when: {method: GET}, to: a}\nbackends: {a: http://h}\n",
		"4:7: warning: the case is never reached: case 1 holds whenever this one does"},
	{"routes: {/: a}\nbackends: {a: http://h, b: http://i}\n",
		"2:25: warning: no route uses the backend \"b\""},
	{"routes: {/: a}\nbackends:\n  a: [h, \"ftp://h\", http://h/path, http://u@h, \"srv+http://h:80\", h2c+unix:sock, http://h:99999]\n",
		"3:7: \"h\" has no scheme: write http, h2c, https or h2 in front, as in http://h\n" +
			"3:10: the scheme \"ftp\" is not http, h2c, https or h2, with an optional +unix or srv+, nor target\n" +
			"3:21: a peer's URL has no path: \"/path\" is not forwarded; rewrite: {path} changes paths\n" +
			"3:36: a peer's URL has no user and password\n" +
			"3:48: SRV records name the port: leave it out\n" +
			"3:67: \"h2c+unix:sock\" has no absolute path of a socket, as in h2c+unix:/run/app.sock\n" +
			"3:82: \"h:99999\" is not a host and a port"},
	{"routes: {/: a}\nbackends:\n  a: {peers: http://h, tls: {cert: c.pem}}\n",
		"3:24: tls has no effect: no peer's URL begins with https or h2\n" +
			"3:29: cert and key come together"},
	{"routes: {/: a}\nbackends:\n  a: {peers: https://h, tls: {cert: c.pem, key: k.pem, min: 1.1}}\n",
		"3:61: \"1.1\" is not \"1.2\" or \"1.3\""},
	{"routes: {/: a}\nbackends:\n  a: {peers: http://h, balance: lest, eject: {failures: -1, most: 200%}}\n",
		"3:33: \"lest\" is not one of least, round, ewma, cookie and {hash: key}; did you mean \"least\"?\n" +
			"3:57: failures is a whole number that is not negative, and this is -1\n" +
			"3:67: \"200%\" is not a percentage above 0% and up to 100%"},
	{"routes: {/: a}\nbackends:\n  a: {peers: http://h, balance: {hash: ip}, health: /x, connect: -1s}\n",
		"3:40: \"ip\" is not one of client, path, header:NAME and cookie:NAME\n" +
			"3:53: \"/x\" is not a method and a path such as GET /healthz\n" +
			"3:66: \"-1s\" is not longer than 0"},
	{"routes: {/: a}\nbackends:\n  a: {peers: http://h, health: {every: 5s, expect: 2000}}\n",
		"3:52: \"2000\" is not a status or a range such as 200-299"},
	{"routes: {/: a}\nbackends:\n  a: {peers: http://h, proxy-protocol: v3, share: maybe}\n",
		"3:40: \"v3\" is not v1, v2 or off\n" +
			"3:51: share is true or false, not the text \"maybe\""},
	{"routes: {/: a}\nbackends:\n  a: \"http://${HOST}\"\n",
		"3:6: \"${HOST}\" is not replaced: the file has no variables of the environment"},
	{"routes: {/: a}\nbackends:\n  a: !include a.yaml\n",
		"3:6: tags such as !include have no meaning here: files cannot be included, and values need none"},
	{"routes: {/: a}\nbackends:\n  a: *nothing\n",
		"3:6: no anchor &nothing stands before this alias"},
	{"routes: {/: a}\nbackends:\n  a:\n",
		"3:3: a has no value"},
	{"routes: {/: {to: a, auth: {basic: f, ask: auth}}}\nbackends: {a: http://h}\n",
		"1:43: ask is a backend and a path, such as auth /check, not the text \"auth\""},
	{"routes: {/: {to: a, auth: {ask: auth /check, copy: [TE]}}}\nbackends: {a: http://h}\n",
		"1:33: there is no backend \"auth\"\n" +
			"1:53: TE belongs to the connection or to framing, and cannot be changed"},
	{"routes: {/: {respond: {status: 99, body: hi}, timeout: 5s, paths: clean}}\n",
		"1:32: 99 is not a status from 200 to 599\n" +
			"1:47: timeout has no effect with respond: nothing is forwarded\n" +
			"1:67: \"clean\" is not raw"},
	{"routes: {/: a}\nbackends: {a: http://h}\ntests:\n  - {request: GET /x, backend: b}\n  - {request: GET http://h/}\n",
		"4:15: \"GET /x\" is not a method and a URL such as GET http://example.com/users/1\n" +
			"4:32: there is no backend \"b\"\n" +
			"5:5: the test expects nothing: add backend, route, status, location or path"},
	{"- a\n",
		"1:1: the file is a mapping with routes, backends and tests, not a list"},
	{"routes: hello\n",
		"1:9: routes is a mapping, not the text \"hello\""},
	{"routes: {/: {to: 5}}\nbackends: {a: http://h}\n",
		"1:18: to is a text, not the number 5: write \"5\""},
	{"routes: {/: {to: a, compress: maybe, concurrency: many}}\nbackends: {a: http://h}\n",
		"1:31: compress is true or false, not the text \"maybe\"\n" +
			"1:51: concurrency is a whole number, not the text \"many\""},
	{"routes: {/: {to: a, when: {header: {X: {prefx: a}}}}}\nbackends: {a: http://h}\n",
		"1:41: there is no key \"prefx\"; did you mean \"prefix\"?"},
	{"routes: {/: a}\nbackends: {a: http://h\xff}\n",
		"2:23: the file is not UTF-8"},
	{"routes:\n  /: {to: a, redirect: \"\"}\nbackends: {a: http://h}\n",
		"2:24: redirect is empty"},
	{"routes:\n  POST /: {to: a, when: {method: GET}}\nbackends: {a: http://h}\n",
		"2:34: warning: the case never holds: the pattern matches only POST"},
	{"routes:\n  /: {to: a, status: 301}\nbackends: {a: http://h}\n",
		"2:14: status has no effect without redirect"},
	{"routes: {/: a}\nbackends: {a: target}\n",
		"2:15: \"target\" has no scheme: write http, h2c, https or h2 in front, as in http://target"},
	{"routes: {/: a}\nbackends: {a: {peers: [{weight: 2}]}}\n",
		"2:24: a peer has a url"},
	{"routes: {/: a}\nbackends: {a: {peers: [{url: http://h, weight: 2000}, {url: \"target:\"}]}}\n",
		"2:23: target:, the built-in application, is the only peer of a backend\n" +
			"2:48: the weight 2000 is not from 1 to 1000"},
}

func TestFaults(t *testing.T) {
	for _, c := range slices.Concat(faults, operatorFaults) {
		_, err := Parse("f.yaml", []byte(c.text))
		got := ""
		if f, _ := Parse("f.yaml", []byte(c.text)); err == nil {
			err = f.Warnings
		}
		if problems, ok := errors.AsType[Problems](err); ok {
			got = strings.ReplaceAll(problems.Error(), "f.yaml:", "")
		}
		if got != c.want {
			t.Errorf("%q:\n%s\nwant\n%s", c.text, got, c.want)
		}
	}
}
