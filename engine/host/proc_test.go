package host

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestParseFileNr(t *testing.T) {
	for text, want := range map[string][2]float64{"1098\t0\t2466170\n": {1098, 2466170}, "7 0 9223372036854775807": {7, 9223372036854775807}} {
		if a, m, err := parseFileNr(text); err != nil || a != want[0] || m != want[1] {
			t.Errorf("%q: %g of %g, %v", text, a, m, err)
		}
	}
	for _, text := range []string{"", "1 2", "1 2 x", "x 2 3"} {
		if _, _, err := parseFileNr(text); err == nil {
			t.Errorf("%q is right?", text)
		}
	}
}

func TestParseSockstat(t *testing.T) {
	got := parseSockstat([]byte("sockets: used 17\nTCP: inuse 1 orphan 0 tw 12 alloc x mem 2\nFRAG: inuse\n\n"))
	want := map[string]float64{"sockets used": 17, "TCP inuse": 1, "TCP orphan": 0, "TCP tw": 12, "TCP mem": 2}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

const tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 2
   2: 0100007F:D431 0100007F:1F90 06 00000000:00000000 00:00000000 00000000     0        0 3
   3: 00000000000000000000000001000000:D431 00000000000000000000000001000000:1F90 01 00000000:00000000`

func TestCountStates(t *testing.T) {
	counts := make([]int, len(tcpStateNames()))
	if err := countStates(strings.NewReader(tcpTable), counts); err != nil {
		t.Fatal(err)
	}
	want := make([]int, len(counts))
	want[1], want[6], want[10] = 2, 1, 1
	if !slices.Equal(counts, want) {
		t.Errorf("got %v, want %v", counts, want)
	}
}

func FuzzCountStates(f *testing.F) {
	f.Add(tcpTable)
	f.Add("a:b c FF\n:\n::: 01")
	f.Fuzz(func(t *testing.T, text string) {
		counts := make([]int, len(tcpStateNames()))
		if err := countStates(strings.NewReader(text), counts); err != nil {
			t.Fatal(err)
		}
		var sum int
		for _, n := range counts {
			sum += n
		}
		if lines := strings.Count(text, "\n") + 1 + len(text)/(64<<10); sum > lines {
			t.Errorf("%d connections in %d lines", sum, lines)
		}
		parseSockstat([]byte(text))
		_, _, _ = parseFileNr(text)
	})
}
