package service

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// downstream is the embedded notification service.
type downstream struct {
	*server
	address string
}

func startDownstream(ctx context.Context, o Options) (*downstream, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cmp.Or(o.NotifyListen, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("payment service: starting the embedded notification service: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /notifications", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
			http.Error(w, "reading the notification: "+err.Error(), http.StatusBadRequest)
			return
		}
		if o.NotifyLatency > 0 {
			select {
			case <-time.After(o.NotifyLatency):
			case <-r.Context().Done():
				return
			}
		}
		if rand.Float64() < o.NotifyFailures {
			http.Error(w, "the notification could not be delivered", http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	return &downstream{server: startServer(listener, mux), address: listener.Addr().String()}, nil
}

func (d *downstream) url() string { return "http://" + d.address + "/notifications" }
