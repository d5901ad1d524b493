package main

import "testing"

// The report prints equal configurations once, so what differs between runs has a name.
func TestDescribeNamesFoldersAndPorts(t *testing.T) {
	s := &setup{dir: "/tmp/run/nghttpx-1", shared: "/tmp/run", self: "/tmp/bench", port: 4123,
		backends: []string{"h2c://127.0.0.1:41230", "h2c://127.0.0.1:41231"}}
	s.written = "listen 127.0.0.1:4123;\nserver 127.0.0.1:41230;\nservers: [h2c://127.0.0.1:41230, h2c://127.0.0.1:41231]\nroot /tmp/run/root;\nsite :4123 {"
	command, configuration := s.describe([]string{"/usr/sbin/nghttpx", "--frontend=127.0.0.1,4123;no-tls", "--backend=127.0.0.1,41230;;proto=h2"})
	if want := "nghttpx --frontend=127.0.0.1,PORT;no-tls --backend=127.0.0.1,BACKEND-PORT;;proto=h2"; command != want {
		t.Errorf("command:\n%s\nwant:\n%s", command, want)
	}
	want := "listen ADDRESS;\nserver BACKEND;\nservers: [BACKEND, BACKEND]\nroot DIR/root;\nsite :PORT {"
	if configuration != want {
		t.Errorf("configuration:\n%s\nwant:\n%s", configuration, want)
	}
}
