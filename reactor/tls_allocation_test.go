//go:build !race

package reactor

import (
	"bytes"
	"crypto/tls"
	"testing"
)

func TestRecordAllocations(t *testing.T) {
	var machine tlsMachine
	client := memoryHandshake(t, &machine, serverConfig(t), &tls.Config{InsecureSkipVerify: true})
	pipe := client.NetConn().(*memoryPipe)
	plain := make([]byte, 0, 2*maxPlaintext)
	out := make([]byte, 0, 2*maxPlaintext)
	message := bytes.Repeat([]byte("x"), 200)
	records := make([][]byte, 300)
	for i := range records {
		client.Write(message)
		records[i] = pipe.takeSent()
	}
	next := 0
	// crypto/tls itself makes one small object for each record that it reads, and none to write.
	got := testing.AllocsPerRun(len(records)-1, func() {
		_, p, _, _ := machine.open(records[next], plain)
		out, _ = machine.seal(out[:0], p)
		next++
	})
	if got > 1 {
		t.Errorf("opening and sealing a record takes %v allocations, want 1 at most", got)
	}
}

// A request and its answer, without a socket.
func BenchmarkRecordExchange(b *testing.B) {
	var machine tlsMachine
	client := memoryHandshake(b, &machine, serverConfig(b), &tls.Config{InsecureSkipVerify: true})
	pipe := client.NetConn().(*memoryPipe)
	plain := make([]byte, 0, 2*maxPlaintext)
	out := make([]byte, 0, 2*maxPlaintext)
	message := bytes.Repeat([]byte("x"), 100)
	records := make([][]byte, b.N)
	for i := range records {
		client.Write(message)
		records[i] = pipe.takeSent()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for _, record := range records {
		_, p, _, _ := machine.open(record, plain)
		out, _ = machine.seal(out[:0], p)
	}
}
