package main

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/spf13/cobra"
)

func newToken(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "token",
		Short: "Make a token for the daemon's API, and the hash of it for its configuration",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			token := rand.Text() + rand.Text()
			hash := sha256.Sum256([]byte(token))
			_, err := fmt.Fprintf(c.out, "token, for whoever calls the daemon (it is kept nowhere): %s\nconfiguration: access: {tokens: {NAME: {role: run, sha256: %q}}}\n", token, fmt.Sprintf("%x", hash))
			return printed(err)
		},
	}
}
