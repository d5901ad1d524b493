package app_test

import (
	"crypto/subtle"
	"fmt"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
)

// A handler for those who know a secret.
func ExampleRequest_Bearer() {
	status := app.Sync(func(r *app.Request) (*app.Response, error) {
		token, ok := r.Bearer()
		if !ok || subtle.ConstantTimeCompare([]byte(token), []byte("secret")) != 1 {
			return app.Error(401, "").With("WWW-Authenticate", "Bearer"), nil
		}
		return app.Text(200, "all is well"), nil
	})
	host := apptest.New(status)
	fmt.Println(host.Do(apptest.Get("/")).Status, host.Do(apptest.Get("/", "Authorization", "Bearer secret")).Status)
	// Output: 401 200
}

func TestCredentials(t *testing.T) {
	host := apptest.New(app.Sync(func(r *app.Request) (*app.Response, error) {
		user, password, basic := r.BasicAuth()
		token, bearer := r.Bearer()
		return app.Text(200, fmt.Sprintf("%q %q %v, %q %v", user, password, basic, token, bearer)), nil
	}))
	const none = `"" "" false, "" false`
	for value, want := range map[string]string{
		"Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ==": `"Aladdin" "open:sesame" true, "" false`,
		"basic   QWxhZGRpbjo=":               `"Aladdin" "" true, "" false`,
		"BEARER abc.def":                     `"" "" false, "abc.def" true`,
		"Basic QWxhZGRpbg==":                 none, // no colon
		"Basic %":                            none,
		"Basic":                              none,
		"Bearer ":                            none,
		"Bearer":                             none,
		"BearerX abc":                        none,
		"":                                   none,
	} {
		if got := host.Do(apptest.Get("/", "Authorization", value)); string(got.Content) != want {
			t.Errorf("%q: %s, want %s", value, got.Content, want)
		}
	}
	host.Do(apptest.Get("/", "Authorization", "Bearer a", "authorization", "Bearer b")).Want(t, 200, none)
}
