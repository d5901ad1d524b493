package discovery

import (
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/internal/testport"
)

// startDnsmasq starts a name server of Debian with a file of hosts, which setHosts changes.
func startDnsmasq(t *testing.T, program, firstHosts string) (address string, setHosts func(text string)) {
	t.Helper()
	address = testport.Address(t)
	hosts := filepath.Join(t.TempDir(), "hosts")
	write := func(text string) {
		if err := os.WriteFile(hosts, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(firstHosts)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	port := address[len("127.0.0.1:"):]
	command := exec.Command(program, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-daemon",
		"--listen-address=127.0.0.1", "--bind-interfaces", "--port="+port, "--addn-hosts="+hosts, "--local-ttl=1", "--user="+me.Username,
		"--local=/test/", "--srv-host=_x._tcp.test,a.test,8080,1,10", "--srv-host=_x._tcp.test,b.test,8081,1,20")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return address, func(text string) {
		write(text)
		_ = command.Process.Signal(syscall.SIGHUP)
	}
}

// A name server that is not our own: records change, vanish and come again.
func TestDnsmasq(t *testing.T) {
	program, err := exec.LookPath("dnsmasq")
	if err != nil {
		t.Log("dnsmasq is not installed: the server of this package's tests stands for it")
		return
	}
	address, setHosts := startDnsmasq(t, program, "10.0.0.1 a.test\n10.0.0.2 b.test\n")
	r := resolver(t, []string{address})
	ready := func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		found, _, err := r.Addresses(ctx, "a.test")
		return err == nil && len(found) == 1
	}
	for deadline := time.Now().Add(patience); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("dnsmasq does not answer")
		}
	}
	names := watchSource(t, &Name{Scheme: "http", Host: "a.test", Port: "80", Resolver: r})
	services := watchSource(t, &Name{Scheme: "h2c", SRV: true, Host: "_x._tcp.test", Resolver: r})
	names.want("10.0.0.1:80")
	found := services.want("10.0.0.1:8080", "10.0.0.2:8081")
	if found[0].Weight != 10 || found[1].Weight != 20 || found[0].URL != "h2c://a.test:8080" {
		t.Errorf("found %v", found)
	}
	setHosts("10.0.0.3 a.test\n10.0.0.4 a.test\n10.0.0.2 b.test\n")
	names.want("10.0.0.3:80", "10.0.0.4:80")
	setHosts("10.0.0.2 b.test\n")
	services.want("10.0.0.2:8081")
	setHosts("10.0.0.5 a.test\n10.0.0.2 b.test\n")
	names.want("10.0.0.5:80")
	services.want("10.0.0.5:8080", "10.0.0.2:8081")
}
