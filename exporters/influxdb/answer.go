package influxdb

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	"tidegauge/engine/outlet"
	"tidegauge/exporters/internal/client"
)

// maxListed is how many of the lines that it does not take InfluxDB 3 lists: there may be more where it lists as many.
const maxListed = 100

var (
	dropped = regexp.MustCompile(`\bdropped=(\d+)`)
	parsing = regexp.MustCompile(`(?m)error parsing line \d+`)
)

// answerText is what the texts of answers have in them: version 2 has code and message, version 1 and 3 error.
type answerText struct {
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Error   string          `json:"error"`
	Data    json.RawMessage `json:"data"` // of version 3: the lines that were not taken
}

// outcome returns what an answer means that is not 204.
//
// What servers answer when they have written some of the points only: 1.x and OSS 2.x 400 or 422 with the number that were
// dropped (https://docs.influxdata.com/influxdb/v2/write-data/troubleshoot/); 3 Core 400 with the lines that were; Clustered and Cloud
// Dedicated 201 with the lines, in the past, and now 400, as Cloud Serverless does
// (https://docs.influxdata.com/influxdb3/cloud-serverless/write-data/troubleshoot/), with a text that does not tell whether the others
// were written. So that one is a refusal, and the points are sent again in parts: a point that is written twice is there once.
func outcome(answer *http.Response, body []byte) error {
	text := answerText{Message: string(body)}
	if json.Unmarshal(body, &text) != nil {
		text = answerText{Message: string(body)}
	}
	said := text.Message
	if text.Error != "" {
		said = text.Error
	}
	if said == "" || said == string(body) {
		if header := answer.Header.Get("X-Influxdb-Error"); header != "" { // InfluxDB 1
			said = header
		}
	}
	lost := 0
	switch answer.StatusCode {
	case http.StatusCreated:
		if lost = max(listed(text.Data), len(parsing.FindAllString(said, -1))); lost == 0 && text.Code == "" && text.Error == "" {
			break // of somebody else
		}
		e := &outlet.Error{Reaction: outlet.Partial, Lost: max(lost, 1), Err: fmt.Errorf("the server answers 201 Created: %s", client.Short(said))}
		if lost >= maxListed {
			e.Reaction, e.Lost = outlet.Rejected, 0
		}
		return e
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		lost = listed(text.Data)
		if m := dropped.FindStringSubmatch(said); m != nil {
			lost, _ = strconv.Atoi(m[1]) // digits, or too many of them for there to be such a number
		} else if lost >= maxListed {
			lost = 0
		}
	}
	if answer.StatusCode/100 == 2 {
		return client.NotOf("InfluxDB", fmt.Sprintf("%d with %s", answer.StatusCode, body))
	}
	e := client.Answer(answer.StatusCode, answer.Header.Get("Retry-After"), said)
	if lost > 0 && e.Reaction == outlet.Rejected {
		e.Reaction, e.Lost = outlet.Partial, lost
	}
	return e
}

// listed returns how many lines a partial write of version 3 lists. A single one that is no list is that of a request of
// which nothing was written.
func listed(data json.RawMessage) int {
	var lines []struct {
		Message string `json:"error_message"`
	}
	if json.Unmarshal(data, &lines) != nil {
		return 0
	}
	return len(lines)
}
