//go:build linux

package interop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	nocrypt "google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop/grpc_testing"

	"github.com/gatewheel/gatewheel/app/nethttp"
)

// grpcCost is the environment variable that makes this test's program a server of BenchmarkGRPCServers; its value is the
// name of the server.
const grpcCost = "INTEROP_GRPC_COST"

// grpcServers are ways to serve a grpc.Server: ours, net/http's and grpc-go's own.
var grpcServers = map[string]func(l net.Listener, s *grpc.Server) error{
	"ours": func(l net.Listener, s *grpc.Server) error {
		return nethttp.NewServer(&http.Server{Handler: s}).Serve(l)
	},
	"net-http": func(l net.Listener, s *grpc.Server) error {
		var p http.Protocols
		p.SetUnencryptedHTTP2(true)
		return (&http.Server{Handler: s, Protocols: &p}).Serve(l)
	},
	"grpc-go": func(l net.Listener, s *grpc.Server) error { return s.Serve(l) },
}

// runGRPCServer is the server's process: it prints its address.
func runGRPCServer(name string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	s := grpc.NewServer()
	grpc_testing.RegisterTestServiceServer(s, &callbacks{unary: echoPayload})
	fmt.Println(l.Addr())
	panic(grpcServers[name](l, s))
}

// BenchmarkGRPCServers has the processor time of the server's process for a unary call with 100 bytes each way, 16 calls at
// a time on one connection.
func BenchmarkGRPCServers(b *testing.B) {
	for name := range grpcServers {
		b.Run(name, func(b *testing.B) {
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), grpcCost+"="+name)
			out, err := c.StdoutPipe()
			if err != nil {
				b.Fatal(err)
			}
			if err := c.Start(); err != nil {
				b.Fatal(err)
			}
			defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
			address, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				b.Fatal(err)
			}
			conn, err := grpc.NewClient("passthrough:///"+strings.TrimSpace(address), grpc.WithTransportCredentials(nocrypt.NewCredentials()))
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			client := grpc_testing.NewTestServiceClient(conn)
			request := &grpc_testing.SimpleRequest{Payload: payload(bytes.Repeat([]byte("x"), 100))}
			call := func() {
				if _, err := client.UnaryCall(context.Background(), request); err != nil {
					b.Error(err)
				}
			}
			call()
			before := processorTime(b, c.Process.Pid)
			b.SetParallelism(8)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					call()
				}
			})
			b.StopTimer()
			used := processorTime(b, c.Process.Pid) - before
			b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "server-ns/op")
		})
	}
}

// processorTime returns the user and system time of a process, in steps of 10 ms.
func processorTime(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	ticks := 0
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.Atoi(field)
		if err != nil {
			tb.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
