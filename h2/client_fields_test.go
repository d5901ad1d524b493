package h2

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// What could be read as something else by the server is refused here (RFC 9113 section 10.3).
func TestClientRefusesRequests(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(r *ClientRequest)
		want   error
	}{
		{"method with a space", func(r *ClientRequest) { r.Method = "GET /" }, ErrTarget},
		{"no method", func(r *ClientRequest) { r.Method = "" }, ErrTarget},
		{"no scheme", func(r *ClientRequest) { r.Scheme = "" }, ErrTarget},
		{"scheme with a colon", func(r *ClientRequest) { r.Scheme = "http:" }, ErrTarget},
		{"no authority", func(r *ClientRequest) { r.Authority = "" }, ErrTarget},
		{"userinfo", func(r *ClientRequest) { r.Authority = "me@a.example" }, ErrTarget},
		{"authority with a path", func(r *ClientRequest) { r.Authority = "a.example/x" }, ErrTarget},
		{"no path", func(r *ClientRequest) { r.Path = "" }, ErrTarget},
		{"relative path", func(r *ClientRequest) { r.Path = "x" }, ErrTarget},
		{"path with a space", func(r *ClientRequest) { r.Path = "/a b" }, ErrTarget},
		{"path with a line", func(r *ClientRequest) { r.Path = "/\r\nx: y" }, ErrTarget},
		{"path with a fragment", func(r *ClientRequest) { r.Path = "/#x" }, ErrTarget},
		{"* with GET", func(r *ClientRequest) { r.Path = "*" }, ErrTarget},
		{"* with OPTIONS", func(r *ClientRequest) { r.Method, r.Path = "OPTIONS", "*" }, nil},
		{"CONNECT with a path", func(r *ClientRequest) { r.Method = "CONNECT" }, ErrTarget},
		{"CONNECT", func(r *ClientRequest) { r.Method, r.Scheme, r.Path = "CONNECT", "", "" }, nil},
		{"field without a name", func(r *ClientRequest) { r.Fields = []Field{{"", "x"}} }, ErrField},
		{"pseudo-field", func(r *ClientRequest) { r.Fields = []Field{{":path", "/"}} }, ErrField},
		{"name with a space", func(r *ClientRequest) { r.Fields = []Field{{"a b", "x"}} }, ErrField},
		{"name with a colon", func(r *ClientRequest) { r.Fields = []Field{{"a:", "x"}} }, ErrField},
		{"value with a line", func(r *ClientRequest) { r.Fields = []Field{{"a", "x\r\ny: z"}} }, ErrField},
		{"value with NUL", func(r *ClientRequest) { r.Fields = []Field{{"a", "x\x00"}} }, ErrField},
		{"too large", func(r *ClientRequest) { r.Fields = []Field{{"a", strings.Repeat("x", 1000)}} }, ErrTooLarge},
		{"websocket by GET", func(r *ClientRequest) { r.Protocol = "websocket" }, ErrTarget},
		{"bad protocol", func(r *ClientRequest) { r.Method, r.Protocol = "CONNECT", "web socket" }, ErrTarget},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serverOf(t, Config{}, setting{settingMaxHeaderListSize, 1000}, setting{settingEnableConnectProtocol, 1})
			r := s.get()
			tt.change(r)
			if _, err := s.c.Request(r); err != tt.want {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if s.c.Wanting() != (tt.want == nil) || s.c.next != 3 && tt.want != nil {
				t.Error("something was queued")
			}
		})
	}
}

// Fields that HTTP/2 has no place for are left out; names are written in lower case.
func TestClientFields(t *testing.T) {
	s := serverOf(t, Config{})
	r := s.post("12")
	r.Fields = []Field{{"User-Agent", " curl "}, {"Connection", "close"}, {"Keep-Alive", "5"}, {"Upgrade", "h2c"},
		{"Transfer-Encoding", "chunked"}, {"Proxy-Connection", "x"}, {"Host", "b.example"}, {"Content-Length", "77"}, {"Expect", "100-continue"},
		{"TE", "gzip"}, {"te", "trailers"}, {"X-Custom", "Y"}, {"cookie", "a=b"}, {"Cookie", "c=d"}}
	s.requests(r)
	s.wants("HEADERS 3"+postHead+" user-agent=curl te=trailers x-custom=Y cookie=a=b cookie=c=d content-length=2", "DATA 3 12 end")
	for method, want := range map[string]string{"GET": "", "DELETE": "", "PUT": " content-length=0"} {
		r := s.get()
		r.Method = method
		id := s.requests(r)
		s.wants(fmt.Sprintf("HEADERS %d :method=%s :scheme=http :authority=a.example :path=/%s end", id, method, want))
	}
}

// A request that repeats shrinks to references.
func TestRepeatedRequestsShrink(t *testing.T) {
	s := serverOf(t, Config{})
	r := s.get()
	r.Path = "/users/7?verbose=1"
	r.Fields = []Field{{"User-Agent", "gateway/1.0"}, {"Accept", "application/json"}, {"Via", "2 gateway"}, {"X-Forwarded-Proto", "https"},
		{"Authorization", "Bearer secret"}, {"X-Api-Key", "0123456789abcdef0123456789abcdef"}}
	var sizes []int
	for range 5 {
		s.requests(r)
		before := s.wire.Len()
		s.pull()
		sizes = append(sizes, s.wire.Len()-before-frameHeaderLen)
	}
	t.Logf("bytes of the blocks: %v", sizes)
	secrets := 1 + 2 + 1 + len("Bearer secret") + 1 + 1 + len("x-api-key") + 1 + 32
	if last := sizes[4]; last > 2+6+secrets {
		t.Errorf("the fifth block has %d bytes, of which %d of secrets", last, secrets)
	}
	for i, f := range s.read() {
		want := fmt.Sprintf("HEADERS %d :method=GET :scheme=http :authority=a.example :path=/users/7?verbose=1 user-agent=gateway/1.0", 3+2*i)
		if !strings.HasPrefix(f, want) {
			t.Errorf("%s", f)
		}
	}
	for _, e := range s.c.encoder.entries {
		if e.name == "authorization" || e.name == "x-api-key" {
			t.Errorf("%s is in the table", e.name)
		}
	}
}

// Paths with credentials in their query are not indexed.
func TestSecretPathsAreNotIndexed(t *testing.T) {
	s := serverOf(t, Config{})
	r := s.get()
	r.Path = "/x?access_token=1"
	for range 5 {
		s.requests(r)
	}
	for _, e := range s.c.encoder.entries {
		if e.name == ":path" {
			t.Error(e)
		}
	}
}

// Marks of never-indexed fields go through both roles.
func TestNeverIndexed(t *testing.T) {
	s := serverOf(t, Config{})
	r := s.get()
	r.Fields = []Field{{"a", "1"}, {"secret", "2"}, {"cookie", "short"}, {"cookie", strings.Repeat("long", 9)}, {"authorization", "x"}}
	r.Sensitive = func(name string) bool { return name == "secret" || name == ":path" }
	s.requests(r)
	s.pull()
	p := connect(t, Config{})
	var ev Event
	head := append([]byte(nil), s.wire.Bytes()...)
	// Entries of the first request, which this server has not seen, do not occur in it.
	if _, err := p.c.Next(head, &ev); err != nil || ev.Kind != Request {
		t.Fatal(err, ev.Kind)
	}
	for i, want := range []bool{false, true, true, true} { // the cookies are one field there
		if ev.NeverIndexed.Has(i) != want {
			t.Errorf("%s: %v", ev.Head.Fields[i].Name, !want)
		}
	}
	if !ev.NeverIndexed.Target() {
		t.Error(":path is not marked")
	}
	if err := p.c.Respond(ev.Stream, &Response{Status: 200, Fields: []Field{{"Set-Cookie", "x"}, {"server", "y"}},
		Source: &markedTail{tailed{feed{err: io.EOF, tail: []Field{{"t", "1"}, {"u", "2"}}}}}, Length: -1,
		Sensitive: func(name string) bool { return name == "Set-Cookie" }}); err != nil {
		t.Fatal(err)
	}
	out := p.c.Transmit(nil, 1<<20)
	for i := 0; ; i++ {
		n, err := s.c.Next(out, &ev)
		if out = out[n:]; err != nil {
			t.Fatal(err)
		}
		if ev.Kind == Final && (!ev.NeverIndexed.Has(0) || ev.NeverIndexed.Has(1)) {
			t.Errorf("%v: %x", ev.Response.Fields, ev.NeverIndexed)
		}
		if ev.Kind == Trailers {
			if ev.NeverIndexed.Has(0) || !ev.NeverIndexed.Has(1) {
				t.Errorf("%v: %x", ev.Trailers, ev.NeverIndexed)
			}
			break
		}
		if ev.Kind == NeedMore {
			p.feed(nil)
			if out = p.c.Transmit(nil, 1<<20); len(out) == 0 {
				t.Fatal("no trailers")
			}
		}
	}
}

// markedTail has a sensitive trailer.
type markedTail struct{ tailed }

func (m *markedTail) Sensitive(name string) bool { return name == "u" }

// Fields far behind share a mark.
func TestManyNeverIndexedFields(t *testing.T) {
	p := connect(t, Config{})
	var block strings.Builder
	block.WriteString(p.encode(get()...))
	for i := range 100 {
		first := byte(0)
		if i == 90 {
			first = neverIndexed
		}
		block.Write(appendLiteral(nil, first, literalMask, 0, fmt.Sprint("x", i), "y"))
	}
	var ev Event
	if _, err := p.c.Next([]byte(frame(frameHeaders, flagEndHeaders|flagEndStream, 1, block.String())), &ev); err != nil || ev.Kind != Request {
		t.Fatal(err)
	}
	if ev.NeverIndexed.Has(0) || ev.NeverIndexed.Has(61) || !ev.NeverIndexed.Has(90) || !ev.NeverIndexed.Has(62) {
		t.Errorf("%x", ev.NeverIndexed)
	}
}

// The table obeys the server's SETTINGS_HEADER_TABLE_SIZE, with updates (RFC 7541 section 4.2).
func TestEncoderObeysTableSize(t *testing.T) {
	s := serverOf(t, Config{})
	ask := func() []byte {
		s.requests(&ClientRequest{Method: "GET", Scheme: "http", Authority: "a.example", Path: "/long", Fields: []Field{{"user-agent", "x"}}})
		s.pull()
		b := append([]byte(nil), s.wire.Bytes()...)
		s.read() // x/net's decoder has no limit below 4096
		return b[frameHeaderLen:]
	}
	for range 4 {
		ask()
	}
	if n := len(s.c.encoder.entries); n != 3 {
		t.Fatalf("%d entries", n)
	}
	s.writes(settingsFrame(setting{settingHeaderTableSize, 0}))
	s.wants("SETTINGS ack")
	if b := ask(); b[0] != emptyTable || len(s.c.encoder.entries) > 0 || s.c.encoder.size > 0 {
		t.Errorf("%x", b)
	}
	s.writes(settingsFrame(setting{settingHeaderTableSize, 2000}))
	s.wants("SETTINGS ack")
	if b := ask(); string(b[:3]) != "\x3f\xb1\x0f" {
		t.Errorf("%x, want 2000", b[:3])
	}
	// The least size comes first, the larger one with the next block.
	s.writes(settingsFrame(setting{settingHeaderTableSize, 1000}), settingsFrame(setting{settingHeaderTableSize, 1 << 30}))
	s.wants("SETTINGS ack", "SETTINGS ack")
	if b := ask(); string(b[:3]) != "\x3f\xc9\x07" {
		t.Errorf("%x, want 1000", b[:3])
	}
	if b := ask(); string(b[:3]) != "\x3f\xe1\x1f" {
		t.Errorf("%x, want 4096", b[:3])
	}
	if b := ask(); b[0]&0xe0 == emptyTable {
		t.Error("an update without a change")
	}
}

// x/net's decoder reads all that the encoder writes, while sizes change and lines repeat by chance.
func TestEncoderIsUnderstood(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	e := newEncoder(tableSize)
	dec := hpack.NewDecoder(tableSize, nil)
	names := []string{":path", "Accept", "x-a", "user-agent", "X-Token", "cookie", "X-Long-" + strings.Repeat("n", 200)}
	hits := 0
	for range 20_000 {
		if random.IntN(50) == 0 {
			for range 1 + random.IntN(3) {
				size := []uint32{0, 64, 100, 500, 4096, 1 << 20}[random.IntN(6)]
				e.resize(size)
				dec.SetAllowedMaxDynamicTableSize(tableSize)
			}
		}
		block := e.begin(nil)
		var want []hpack.HeaderField
		for range 1 + random.IntN(6) {
			i := random.IntN(len(names))
			value := fmt.Sprint(random.IntN(1 << random.IntN(12)))
			how := []uint32{neverAdd, lineSightings, pathSightings}[random.IntN(3)]
			index := 0
			if names[i] == ":path" {
				index = indexPath
			} else {
				index = requestName(names[i])
			}
			before := len(block)
			block = e.field(block, index, names[i], value, how)
			if block[before]&indexed != 0 {
				hits++
			}
			want = append(want, hpack.HeaderField{Name: strings.ToLower(names[i]), Value: value, Sensitive: how == neverAdd})
		}
		got, err := dec.DecodeFull(block)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%v\nwant %v", got, want)
		}
		if e.size > e.limit || len(e.entries) > maxEntries {
			t.Fatalf("%d bytes of %d, %d entries", e.size, e.limit, len(e.entries))
		}
	}
	if hits < 1000 {
		t.Errorf("%d references", hits)
	}
}

// Requests larger than a frame go in CONTINUATION frames.
func TestClientContinuation(t *testing.T) {
	s := serverOf(t, Config{})
	r := s.get()
	r.Fields = []Field{{"x", kib(20)}, {"y", kib(20)}}
	s.requests(r)
	s.pull()
	if f := s.read(); len(f) != 1 || !strings.HasSuffix(f[0], " end") || len(f[0]) < 40<<10 {
		t.Errorf("%d frames", len(f))
	}
}
