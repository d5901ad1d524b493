//go:build linux

package discovery

import (
	"testing"

	"github.com/gatewheel/gatewheel/app/gateway/discovery/dnsmasqtest"
)

// With a name server that is not our own, records of all types change, vanish, time out and come again.
func TestDnsmasq(t *testing.T) {
	srv := []string{"--srv-host=_x._tcp.test,a.test,8080,1,10", "--srv-host=_x._tcp.test,b.test,8081,1,20"}
	server := dnsmasqtest.Start(t, "10.0.0.1 a.test\n2001:db8::1 a.test\n10.0.0.2 b.test\n", srv...)
	r := resolver(t, []string{server.Address})
	failed := make(chan error, 100)
	name := &Name{Scheme: "http", Host: "a.test", Port: "80", Resolver: r, Failed: func(err error) { failed <- err }}
	names := watchSource(t, name)
	services := watchSource(t, &Name{Scheme: "h2c", SRV: true, Host: "_x._tcp.test", Resolver: r})
	names.want("10.0.0.1:80", "[2001:db8::1]:80")
	found := services.want("10.0.0.1:8080", "[2001:db8::1]:8080", "10.0.0.2:8081")
	if found[0].Weight != 10 || found[2].Weight != 20 || found[0].URL != "h2c://a.test:8080" {
		t.Errorf("found %v", found)
	}
	server.SetHosts("10.0.0.3 a.test\n2001:db8::2 a.test\n10.0.0.2 b.test\n")
	names.want("10.0.0.3:80", "[2001:db8::2]:80")
	server.SetHosts("10.0.0.2 b.test\n")
	services.want("10.0.0.2:8081")
	if err := <-failed; err == nil || name.Failures() == 0 {
		t.Errorf("a name that has vanished: %v, %d failures are counted", err, name.Failures())
	}
	server.SetHosts("10.0.0.5 a.test\n10.0.0.2 b.test\n")
	names.want("10.0.0.5:80")
	services.want("10.0.0.5:8080", "10.0.0.2:8081")
	server.Pause()
	if err := <-failed; err == nil {
		t.Error("no answer is no failure")
	}
	server.Resume()
	server.Restart(srv[1])
	services.want("10.0.0.2:8081")
	if n := len(names.found); n > 0 {
		t.Errorf("the addresses of a.test were told %d times more without a change", n)
	}
}
