package ws

import (
	"bytes"
	"strconv"
	"testing"
)

// echo runs one message through a server's machine and returns its answer.
func echo(b testing.TB, c *Conn, in, out []byte, ev *Event) []byte {
	for len(in) > 0 {
		n, err := c.Next(in, ev)
		if err != nil {
			b.Fatal(err)
		}
		in = in[n:]
		if ev.Kind == Data && ev.Final {
			if err := c.Send(ev.Op, ev.Data); err != nil {
				b.Fatal(err)
			}
		}
	}
	return c.Transmit(out[:0], 1<<30)
}

func BenchmarkEcho(b *testing.B) {
	for _, size := range []int{32, 1 << 10, 64 << 10} {
		for _, op := range []Opcode{Binary, Text} {
			b.Run(map[Opcode]string{Binary: "binary", Text: "text"}[op]+"/"+strconv.Itoa(size), func(b *testing.B) {
				var c Conn
				c.Init(new(Shared), Server, Deflate{}, nil)
				wire := frameOf{fin: true, op: op, payload: bytes.Repeat([]byte("x"), size), masked: true}.bytes()
				in := make([]byte, len(wire))
				var out []byte
				var ev Event
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					copy(in, wire)
					out = echo(b, &c, in, out, &ev)
				}
			})
		}
	}
}

// Messages of a client, masked.
func BenchmarkClientSend(b *testing.B) {
	for _, size := range []int{32, 1 << 10, 64 << 10} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			var c Conn
			c.Init(new(Shared), Client, Deflate{}, nil)
			m := make([]byte, size)
			out := make([]byte, 0, 80<<10)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := c.Send(Binary, m); err != nil {
					b.Fatal(err)
				}
				out = c.Transmit(out[:0], 1<<30)
			}
		})
	}
}

func BenchmarkMask(b *testing.B) {
	for _, size := range []int{16, 128, 16 << 10} {
		p := make([]byte, size)
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				mask(p, 0x01020304)
			}
		})
	}
}

func BenchmarkUTF8Pieces(b *testing.B) {
	p := bytes.Repeat([]byte("Grüße, 世界. Some plain text in between. "), 100)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		var u utf8Check
		for at := 0; at < len(p); at += 1000 {
			u.add(p[at:min(at+1000, len(p))])
		}
	}
}

func BenchmarkPing(b *testing.B) {
	var c Conn
	c.Init(new(Shared), Server, Deflate{}, nil)
	wire := frameOf{fin: true, op: opPing, payload: []byte("are you there?"), masked: true}.bytes()
	in := make([]byte, len(wire))
	var out []byte
	var ev Event
	b.ReportAllocs()
	for b.Loop() {
		copy(in, wire)
		out = echo(b, &c, in, out, &ev)
	}
}

// jsonish is text that compresses as the messages of applications do.
func jsonish(size int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		b.WriteString(`{"id":` + strconv.Itoa(i*7919) + `,"name":"sensor-` + strconv.Itoa(i%13) + `","value":` + strconv.Itoa(i*i%1000) + `},`)
	}
	return b.Bytes()[:size]
}

func BenchmarkEchoCompressed(b *testing.B) {
	for _, size := range []int{256, 4 << 10, 128 << 10} {
		for _, takeover := range []bool{false, true} {
			name := strconv.Itoa(size)
			if takeover {
				name += "/takeover"
			}
			b.Run(name, func(b *testing.B) {
				ext := Deflate{On: true, ServerNoContext: !takeover, ClientNoContext: true, ServerWindowBits: 15, ClientWindowBits: 15}
				sh := new(Shared)
				var c, client Conn
				c.Init(sh, Server, ext, nil)
				client.Init(sh, Client, ext, nil)
				if err := client.Send(Text, jsonish(size)); err != nil {
					b.Fatal(err)
				}
				wire := client.Transmit(nil, 1<<30)
				in := make([]byte, len(wire))
				var out []byte
				var ev Event
				var wrote int64
				b.ReportAllocs()
				b.SetBytes(int64(size))
				var whole assembler
				for b.Loop() {
					copy(in, wire)
					for rest := in; ; {
						n, err := c.Next(rest, &ev)
						if err != nil {
							b.Fatal(err)
						}
						rest = rest[n:]
						if ev.Kind == NeedMore {
							break
						}
						if m, ok := whole.add(&ev); ok {
							if err := c.Send(ev.Op, m); err != nil {
								b.Fatal(err)
							}
						}
					}
					out = c.Transmit(out[:0], 1<<30)
					wrote += int64(len(out))
				}
				b.ReportMetric(float64(wrote)/float64(b.N), "bytes/op")
			})
		}
	}
}

// A message to a thousand connections that drain at the turn's end.
func BenchmarkBroadcast(b *testing.B) {
	for _, size := range []int{100, 4 << 10} {
		for name, ext := range map[string]Deflate{"plain": {}, "compressed": noContext} {
			b.Run(name+"/"+strconv.Itoa(size), func(b *testing.B) {
				sh := new(Shared)
				conns := make([]Conn, 1000)
				for i := range conns {
					conns[i].Init(sh, Server, ext, &Settings{CompressFrom: 1})
				}
				m := jsonish(size)
				out := make([]byte, 0, 64<<10)
				b.ReportAllocs()
				for b.Loop() {
					prepared, err := Prepare(Text, m)
					if err != nil {
						b.Fatal(err)
					}
					for i := range conns {
						if err := conns[i].SendPrepared(prepared); err != nil {
							b.Fatal(err)
						}
					}
					for i := range conns {
						out = conns[i].Transmit(out[:0], 64<<10)
					}
				}
			})
		}
	}
}

func BenchmarkWindows(b *testing.B) {
	m := jsonish(32 << 10)
	for _, bits := range []uint8{8, 9, 10, 12, 15} {
		b.Run(strconv.Itoa(int(bits)), func(b *testing.B) {
			var s sink
			b.ReportAllocs()
			b.SetBytes(int64(len(m)))
			for b.Loop() {
				s.b = s.b[:0]
				s.deflate(m, nil, bits)
			}
			b.ReportMetric(float64(len(s.b))/float64(len(m)), "ratio")
		})
	}
}
