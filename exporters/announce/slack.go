package announce

import (
	"fmt"
	"strings"
	"time"

	"tidegauge/engine/report"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
)

// message is what Slack's incoming webhooks take, in the older form with an attachment that Mattermost, Rocket.Chat and others take
// too: https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments
type message struct {
	Text        string       `json:"text"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	Fallback  string  `json:"fallback"`
	Color     string  `json:"color"`
	Title     string  `json:"title"`
	TitleLink string  `json:"title_link,omitempty"`
	Text      string  `json:"text"`
	Fields    []field `json:"fields"`
	Footer    string  `json:"footer"`
	Time      int64   `json:"ts"`
}

type field struct {
	Title string `json:"title"`
	Value string `json:"value"`
	Short bool   `json:"short"`
}

const maxSlackObjectives = 8

func slackOf(a *Announcement) *message {
	sign, color := "⚠️", "#d9822b"
	switch {
	case a.Outcome == verdict.Pass && a.Good:
		sign, color = "✅", "#0a6f5c"
	case a.Outcome == verdict.Fail || !a.Good && a.Outcome == verdict.Pass:
		sign, color = "❌", "#b3261e"
	}
	word := string(a.Outcome)
	if a.Outcome == verdict.Pass && !a.Good {
		word = "regression"
	}
	head := fmt.Sprintf("%s %s: %s / %s", sign, word, escape(a.Run.Plan), escape(a.Run.Test))
	if a.Changed && a.Before != "" {
		head += fmt.Sprintf(" (before: %s)", escape(string(a.Before)))
	}
	m := attachment{
		Fallback: head, Color: color, Title: escape(a.Run.ID), TitleLink: a.Link, Text: escape(a.Summary), Time: a.End.Unix(),
		Footer: "tidegauge " + escape(a.Run.Version) + " on " + escape(a.Run.Host),
	}
	add := func(title, value string, short bool) {
		if value != "" {
			m.Fields = append(m.Fields, field{title, escape(value), short})
		}
	}
	if a.Answer != nil && !strings.Contains(a.Summary, a.Answer.Text) && !strings.Contains(a.Answer.Text, a.Summary) {
		add(a.Answer.Question, a.Answer.Text, false)
	}
	var missed []string
	for _, o := range a.Objectives {
		if o.Outcome != verdict.Pass && o.Outcome != verdict.NoData && len(missed) < maxSlackObjectives {
			value := "no data"
			if o.Value != nil {
				value = verdict.Format(*o.Value, o.Unit)
			}
			missed = append(missed, fmt.Sprintf("%s: %s (%s)", o.Text, value, o.Outcome))
		}
	}
	add("Objectives that are not met", strings.Join(missed, "; "), false)
	if c := a.Comparison; c != nil && c.Verdict != stat.Passed && c.Verdict != stat.Indicative {
		add("Against the baseline", string(c.Verdict)+": "+c.Summary, false)
	}
	add("Target", strings.TrimSpace(a.Run.Target+" "+a.Run.TargetVersion), true)
	add("Requests", fmt.Sprintf("%s at %s, %s failed", verdict.FormatCount(a.Requests), verdict.Format(a.Rate, "1/s"), verdict.FormatCount(a.Failures)), true)
	if a.P95 > 0 {
		add("Response time", fmt.Sprintf("p50 %s, p95 %s, p99 %s", verdict.Format(a.P50, "s"), verdict.Format(a.P95, "s"), verdict.Format(a.P99, "s")), true)
	}
	add("Duration", verdict.FormatDuration(time.Duration(min(max(a.Seconds, 0), 1e9)*float64(time.Second))), true)
	return &message{Text: head, Attachments: []attachment{m}}
}

// escape makes text harmless, by Slack's rules: https://docs.slack.dev/messaging/formatting-message-text
func escape(s string) string {
	const most = 1000
	if r := []rune(clean(s)); len(r) > most {
		s = string(r[:most-1]) + "…"
	} else {
		s = string(r)
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

func clean(s string) string { return report.Clean(s) }
