package reactor

import (
	"bytes"
	"crypto/tls"
	"runtime"
	"testing"
)

// idleMachines performs n handshakes, has each client send one record of size bytes, and returns the
// machines and what one of them keeps alive.
func idleMachineBytes(t testing.TB, n, size int) (bytesEach int) {
	server := serverConfig(t)
	plain := make([]byte, 0, 2*maxPlaintext)
	machines := make([]tlsMachine, n+1)
	payload := bytes.Repeat([]byte("x"), size)
	prepare := func(m *tlsMachine) {
		client := memoryHandshake(t, m, server, &tls.Config{InsecureSkipVerify: true, DynamicRecordSizingDisabled: true})
		client.Write(payload)
		if _, got, _, err := m.open(client.NetConn().(*memoryPipe).takeSent(), plain); err != nil || len(got) != size {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	prepare(&machines[n]) // what is made once
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		prepare(&machines[i])
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(machines)
	return (int(after.HeapAlloc) - int(before.HeapAlloc)) / n
}

func TestIdleMachineMemory(t *testing.T) {
	for size, limit := range map[int]int{100: 9 << 10, maxPlaintext: 27 << 10} {
		got := idleMachineBytes(t, 100, size)
		t.Logf("after a record of %d bytes: %d bytes", size, got)
		if got > limit {
			t.Errorf("an idle machine that has received %d bytes keeps %d bytes, want at most %d", size, got, limit)
		}
	}
}
