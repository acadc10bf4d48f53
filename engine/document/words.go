package document

import (
	"fmt"
	"strings"
)

// Nearest returns the candidate that is most likely meant by a word, or "" if none is near: one letter of three may be
// wrong. Only so many candidates are looked at, and no long ones.
func Nearest(word string, candidates []string) string {
	const most, longest = 200, 64
	best, least := "", 0
	for _, c := range candidates[:min(len(candidates), most)] {
		limit := max(len(word), len(c)) / 3
		if max(len(word), len(c)) > longest || len(word) > len(c)+limit || len(c) > len(word)+limit {
			continue
		}
		d := distance([]rune(strings.ToLower(word)), []rune(strings.ToLower(c)))
		if d <= limit && (best == "" || d < least) || strings.EqualFold(word, c) {
			best, least = c, d
		}
	}
	return best
}

// distance is the Damerau-Levenshtein distance (optimal string alignment): how many insertions, deletions, replacements and
// exchanges of neighbours make one word of the other.
func distance(a, b []rune) int {
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		next[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j]+cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)]
}

// List joins words for a sentence: a, b and c.
func List(words []string) string { return Join(words, "and") }

// OneOf joins words for a sentence: one of a, b and c; a single one stands for itself.
func OneOf(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return "one of " + Join(words, "or")
}

// Join joins words for a sentence, the last two by a word; of many words only the first are named.
func Join(words []string, last string) string {
	const most = 40
	if len(words) > most {
		words = append(append([]string(nil), words[:most]...), fmt.Sprintf("%d more", len(words)-most))
	}
	switch len(words) {
	case 0:
		return "nothing"
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}

// UnknownName says that a name is not one of those there are, and which was probably meant.
func UnknownName(kind, name string, known []string) string {
	if near := Nearest(name, known); near != "" {
		return fmt.Sprintf("unknown %s %s, did you mean %s?", kind, Quoted(name), Quoted(near))
	}
	all := make([]string, len(known))
	for i, k := range known {
		all[i] = Quoted(k)
	}
	if len(all) == 0 {
		return fmt.Sprintf("unknown %s %s, and there is none", kind, Quoted(name))
	}
	return fmt.Sprintf("unknown %s %s, expected %s", kind, Quoted(name), OneOf(all))
}
