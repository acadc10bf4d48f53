package document

import (
	"slices"
	"strconv"
	"strings"
)

// secretWords are what the names of environment variables have in them that hold secrets.
func secretWords() []string {
	return []string{"SECRET", "TOKEN", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "KEY", "AUTH"}
}

// leastSecret is how many bytes a secret has at least: shorter texts are found by chance in what is none.
const leastSecret = 4

// secrets are the values of environment variables that a document reads and whose names say that they hold a secret, by what
// stands for them in mistakes.
type secrets map[string]string

// watch returns a Getenv that notes secrets.
func (s secrets) watch(getenv func(string) (string, bool)) func(string) (string, bool) {
	if getenv == nil {
		return nil
	}
	return func(name string) (string, bool) {
		v, ok := getenv(name)
		secret := slices.ContainsFunc(secretWords(), func(word string) bool { return strings.Contains(strings.ToUpper(name), word) })
		if ok && secret && len(v) >= leastSecret {
			s[v] = "${env." + name + "}"
		}
		return v, ok
	}
}

// hide returns a message without secrets, also without those that were shortened or quoted in it.
func (s secrets) hide(message string) string {
	for value, name := range s {
		for _, form := range []string{value, Shorten(value)} {
			message = strings.ReplaceAll(message, form, name)
			quoted := strconv.Quote(form)
			message = strings.ReplaceAll(message, quoted[1:len(quoted)-1], name)
		}
	}
	return message
}
