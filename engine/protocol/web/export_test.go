package web

import "time"

// Idle makes a client believe that its connections have not been used for a long time.
func Idle(c *Client) {
	for _, k := range c.conns {
		k.used = k.used.Add(-time.Hour)
	}
}
