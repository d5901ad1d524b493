package auth_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/gateway/auth"
)

const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seen answers with the fields of the request whose names begin with X-.
func seen(r *app.Request) app.Answer {
	var lines []string
	for _, f := range r.Fields {
		if strings.HasPrefix(strings.ToUpper(f.Name), "X") || f.Name == "Connection" {
			lines = append(lines, f.Name+": "+f.Value)
		}
	}
	return app.Ready(app.Text(200, strings.Join(lines, "\n")))
}

// hashOf returns a hash as htpasswd -B makes it.
func hashOf(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(hash), "$2a$", "$2y$", 1)
}

// write writes a file, as editors and deployments do: under another name first.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// eventually waits until ok reports true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// newBasic returns a check with a user alice, and its file.
func newBasic(t *testing.T, o auth.BasicOptions) (*auth.Basic, string) {
	t.Helper()
	o.File = filepath.Join(t.TempDir(), "htpasswd")
	write(t, o.File, "# users\n\nalice:"+hashOf(t, "secret")+"\n")
	b, err := auth.OpenBasic(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b, o.File
}

func TestBasic(t *testing.T) {
	b, _ := newBasic(t, auth.BasicOptions{Realm: `the "inner" room`})
	h := apptest.New(auth.Require(b)(seen))
	for _, c := range []struct {
		name   string
		fields []string
		want   int
	}{
		{"the password", []string{"Authorization", basic("alice", "secret")}, 200},
		{"the password again", []string{"authorization", basic("alice", "secret")}, 200},
		{"another case of the scheme", []string{"Authorization", strings.Replace(basic("alice", "secret"), "Basic", "bASIC", 1)}, 200},
		{"no credentials", nil, 401},
		{"another password", []string{"Authorization", basic("alice", "Secret")}, 401},
		{"an unknown user", []string{"Authorization", basic("bob", "secret")}, 401},
		{"no user", []string{"Authorization", basic("", "secret")}, 401},
		{"no colon", []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("alice"))}, 401},
		{"no base64", []string{"Authorization", "Basic alice:secret"}, 401},
		{"no value", []string{"Authorization", "Basic"}, 401},
		{"another scheme", []string{"Authorization", "Bearer " + basic("alice", "secret")[6:]}, 401},
		{"two fields", []string{"Authorization", basic("alice", "secret"), "Authorization", basic("alice", "secret")}, 401},
		{"too long", []string{"Authorization", basic("alice", strings.Repeat("x", 4096))}, 401},
	} {
		call := h.Do(apptest.Get("/", c.fields...))
		if call.Status != c.want {
			t.Errorf("%s: %d, want %d", c.name, call.Status, c.want)
		}
		if got := call.Header.Get("WWW-Authenticate"); c.want == 401 && got != `Basic realm="the \"inner\" room", charset="UTF-8"` {
			t.Errorf("%s: WWW-Authenticate %q", c.name, got)
		}
	}
}

// TestBasicRemembers holds the pool: only what must be verified waits.
func TestBasicRemembers(t *testing.T) {
	b, _ := newBasic(t, auth.BasicOptions{})
	h := apptest.New(auth.Require(b)(seen))
	ask := func(password string) *apptest.Call {
		return h.Do(apptest.Get("/", "Authorization", basic("alice", password)))
	}
	h.HoldPool = true
	first, second := ask("secret"), ask("secret")
	first.WantNoAnswer(t)
	second.WantNoAnswer(t)
	h.HoldPool = false
	h.Settle()
	if first.Status != 200 || second.Status != 200 {
		t.Errorf("verified together: %d, %d", first.Status, second.Status)
	}
	h.HoldPool = true
	if c := ask("secret"); c.Status != 200 {
		t.Errorf("remembered: %d", c.Status)
	}
	h.Advance(6 * time.Minute)
	late := ask("secret")
	late.WantNoAnswer(t)
	h.HoldPool = false
	h.Settle()
	if late.Status != 200 {
		t.Errorf("verified again: %d", late.Status)
	}
}

func TestBasicIsBounded(t *testing.T) {
	b, _ := newBasic(t, auth.BasicOptions{})
	h := apptest.New(auth.Require(b)(seen))
	h.HoldPool = true
	refused := 0
	for i := range 1000 {
		if c := h.Do(apptest.Get("/", "Authorization", basic("alice", fmt.Sprint(i)))); c.Status == 503 {
			refused++
		}
	}
	if refused < 500 {
		t.Errorf("%d of 1000 passwords refused while none is verified", refused)
	}
	h.HoldPool = false
	h.Settle()
	if c := h.Do(apptest.Get("/", "Authorization", basic("alice", "secret"))); c.Status != 200 {
		t.Errorf("afterwards: %d", c.Status)
	}
	full := apptest.New(auth.Require(b)(seen))
	full.HoldPool, full.PoolQueue = true, 0
	if c := full.Do(apptest.Get("/", "Authorization", basic("alice", "other"))); c.Status != 503 || c.Header.Get("Retry-After") == "" {
		t.Errorf("a full pool: %d %v", c.Status, c.Header)
	}
}

func TestBasicUserField(t *testing.T) {
	b, _ := newBasic(t, auth.BasicOptions{User: "X-User"})
	h := apptest.New(auth.Require(b)(seen))
	c := h.Do(apptest.Get("/", "x-user", "root", "X_User", "root", "X-Other", "1", "Connection", "keep-alive, X-User", "Authorization", basic("alice", "secret")))
	c.Want(t, 200, "X-Other: 1\nConnection: keep-alive\nX-User: alice")
	if got := fmt.Sprint(b.Fields()); got != "[X-User]" {
		t.Errorf("Fields: %v", got)
	}
}

func TestBasicFileChanges(t *testing.T) {
	warned := make(chan error, 100)
	b, file := newBasic(t, auth.BasicOptions{Warn: func(err error) { warned <- err }})
	h := apptest.New(auth.Require(b)(seen))
	status := func(user, password string) int {
		return h.Do(apptest.Get("/", "Authorization", basic(user, password))).Status
	}
	if status("alice", "secret") != 200 || status("bob", "hidden") != 401 {
		t.Fatal("the first file does not hold")
	}
	write(t, file, "bob:"+hashOf(t, "hidden")+"\n")
	eventually(t, "bob may pass", func() bool { return status("bob", "hidden") == 200 })
	if got := status("alice", "secret"); got != 401 {
		t.Errorf("a remembered user that was removed: %d", got)
	}
	write(t, file, "bob:secret\n")
	if err := <-warned; !strings.Contains(err.Error(), file+":1: ") {
		t.Errorf("warned: %v", err)
	}
	if got := status("bob", "hidden"); got != 200 {
		t.Errorf("after a faulty file: %d", got)
	}
}

func TestHtpasswdRefused(t *testing.T) {
	good := hashOf(t, "x")
	for content, want := range map[string]string{
		"alice\n":                            ":1: the line is not USER:HASH",
		"# c\n\n:" + good:                    ":3: the line is not USER:HASH",
		"a:" + good + "\na:" + good:          `:2: the user "a" has an entry already`,
		"a:$apr1$abcdefgh$0123456789":        `:1: the hash of "a" is not of bcrypt, as htpasswd -B makes it`,
		"a:{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE": `:1: the hash of "a" is not of bcrypt, as htpasswd -B makes it`,
		"a:plain":                            `:1: the hash of "a" is not of bcrypt, as htpasswd -B makes it`,
		"a:" + good[:59]:                     `:1: the hash of "a" is not of bcrypt, as htpasswd -B makes it`,
		"a:$2y$19$" + good[7:]:               `:1: the hash of "a" has the cost 19, more than 15: comparing would take seconds`,
	} {
		file := filepath.Join(t.TempDir(), "users")
		write(t, file, content)
		if _, err := auth.OpenBasic(auth.BasicOptions{File: file}); err == nil || err.Error() != "auth: "+file+want {
			t.Errorf("%q: %v", content, err)
		}
	}
	if _, err := auth.OpenBasic(auth.BasicOptions{File: "/nowhere/users"}); err == nil {
		t.Error("a missing file is accepted")
	}
}

// TestBasicTakesAsLongForUnknownUsers compares the times of many refusals.
func TestBasicTakesAsLongForUnknownUsers(t *testing.T) {
	b, file := newBasic(t, auth.BasicOptions{})
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), 8)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "alice:"+string(hash)+"\ncarol:"+string(hash)+"\n")
	h := apptest.New(auth.Require(b)(seen))
	eventually(t, "the second file", func() bool {
		return h.Do(apptest.Get("/", "Authorization", basic("carol", "secret"))).Status == 200
	})
	refusal := func(user string, n int) time.Duration {
		begin := time.Now()
		h.Do(apptest.Get("/", "Authorization", basic(user, fmt.Sprint(n))))
		return time.Since(begin)
	}
	// In turns, so that both meet the same load of the machine.
	known, unknown := time.Hour, time.Hour
	for n := range 15 {
		known, unknown = min(known, refusal("alice", n)), min(unknown, refusal("mallory", n))
	}
	if unknown < known/2 || known < unknown/2 {
		t.Errorf("a known user takes %v, an unknown one %v", known, unknown)
	}
}
