package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"tidegauge/engine/protocol"
	"tidegauge/engine/protocol/web"
)

func Example() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	client := web.New(web.Options{Redirects: 5})
	defer func() {
		if err := client.Close(); err != nil {
			fmt.Println(err)
		}
	}()
	var resp protocol.Response
	outcome := client.Do(context.Background(), &protocol.Request{Method: "GET", URL: server.URL + "/items", Timeout: time.Second}, &resp)
	fmt.Println(outcome, resp.Status, resp.Get("Content-Type"))
	fmt.Printf("%s", resp.Body)

	server.Close()
	outcome = client.Do(context.Background(), &protocol.Request{Method: "GET", URL: server.URL + "/items", Timeout: time.Second}, &resp)
	fmt.Println(outcome, "-", resp.Detail)
	// Output:
	// ok 404 text/plain; charset=utf-8
	// 404 page not found
	// refused - connection refused
}
