package auth

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

const (
	// defaultCost is the cost of comparing the password of an unknown user if there are no users.
	defaultCost = 10
	// maxCost is the largest cost of an entry. Each one more doubles the time; 15 takes seconds.
	maxCost = 15
	// hashSize is the length of a bcrypt hash as text.
	hashSize = 60
)

// parseHtpasswd returns the hashes of a file's users, and the largest cost. Errors begin with
// file:line.
func parseHtpasswd(name string, content []byte) (users map[string][]byte, cost int, err error) {
	users = map[string][]byte{}
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fail := func(format string, args ...any) (map[string][]byte, int, error) {
			return nil, 0, fmt.Errorf("%s:%d: %s", name, number, fmt.Sprintf(format, args...))
		}
		user, hash, ok := strings.Cut(line, ":")
		if !ok || user == "" {
			return fail("the line is not USER:HASH")
		}
		if _, ok := users[user]; ok {
			return fail("the user %q has an entry already", user)
		}
		c, err := bcrypt.Cost([]byte(hash))
		switch {
		case err != nil || len(hash) != hashSize:
			return fail("the hash of %q is not of bcrypt, as htpasswd -B makes it", user)
		case c > maxCost:
			return fail("the hash of %q has the cost %d, more than %d: comparing would take seconds", user, c, maxCost)
		}
		users[user] = []byte(hash)
		cost = max(cost, c)
	}
	if cost == 0 {
		cost = defaultCost
	}
	return users, cost, nil
}

// unknownUserHash returns the hash with which the passwords of unknown users are compared, so that they
// take as long as others. No password is known to fit it.
func unknownUserHash(cost int) []byte {
	return fmt.Appendf(nil, "$2a$%02d$%s", cost, strings.Repeat(".", hashSize-len("$2a$10$")))
}
