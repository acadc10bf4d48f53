package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// The states of a payment and of its notification.
const (
	statusCreated  = "created"
	statusRefunded = "refunded"

	notificationPending = "pending" // not sent yet, or its result could not be stored
	notificationSent    = "sent"
	notificationFailed  = "failed" // the payment holds all the same: a partial failure
)

// payment is a payment as it is stored and shown.
type payment struct {
	ID           string     `json:"id"`
	Status       string     `json:"status"`
	Amount       int64      `json:"amount"` // cents
	Card         string     `json:"card"`   // all but the last four digits hidden
	Notification string     `json:"notification"`
	CreatedAt    time.Time  `json:"created_at"`
	RefundedAt   *time.Time `json:"refunded_at,omitempty"`
}

// refund is the answer to a refund.
type refund struct {
	ID        string    `json:"id"`
	Payment   string    `json:"payment"`
	Amount    int64     `json:"amount"`
	CreatedAt time.Time `json:"created_at"`
}

// maxAmount is the highest payment taken, in cents.
const maxAmount = 1_000_000_00

// maxBody is the longest request body read, in bytes.
const maxBody = 64 << 10

// problem is an error as the client sees it (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Title, p.Detail) }

func newProblem(status int, detail string, args ...any) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(detail, args...)}
}

// readPayment reads and validates the body of POST /payments.
func readPayment(w http.ResponseWriter, r *http.Request) (amount int64, card string, err error) {
	var body struct {
		Amount *int64  `json:"amount"`
		Card   *string `json:"card"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	err = decoder.Decode(&body)
	if err == nil {
		if _, err = decoder.Token(); err == nil {
			return 0, "", newProblem(http.StatusBadRequest, "the body holds more than one JSON value; send one object")
		}
	}
	var tooLong *http.MaxBytesError
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF) && body.Amount == nil && body.Card == nil && r.ContentLength == 0:
		return 0, "", newProblem(http.StatusBadRequest, `the body is empty; send {"amount": cents, "card": "digits"}`)
	case errors.As(err, &tooLong):
		return 0, "", newProblem(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", tooLong.Limit)
	case errors.As(err, &wrongType):
		return 0, "", newProblem(http.StatusUnprocessableEntity, "%s is of type %s; send amount as a whole number of cents and card as a string",
			orBody(wrongType.Field), wrongType.Value)
	case err != nil && !errors.Is(err, io.EOF):
		return 0, "", newProblem(http.StatusBadRequest, "the body is not JSON: %v", err)
	case body.Amount == nil:
		return 0, "", newProblem(http.StatusUnprocessableEntity, "amount is missing; send a whole number of cents")
	case *body.Amount < 1 || *body.Amount > maxAmount:
		return 0, "", newProblem(http.StatusUnprocessableEntity, "amount is %d; send 1 to %d cents", *body.Amount, int64(maxAmount))
	case body.Card == nil:
		return 0, "", newProblem(http.StatusUnprocessableEntity, "card is missing; send its number as a string of digits")
	case !validCard(*body.Card):
		return 0, "", newProblem(http.StatusUnprocessableEntity, "card is not a card number; send 12 to 19 digits with a valid check digit")
	}
	return *body.Amount, *body.Card, nil
}

func orBody(field string) string {
	if field == "" {
		return "the body"
	}
	return field
}

// validCard reports whether number has the length and the check digit of a card number (ISO/IEC 7812, Luhn).
func validCard(number string) bool {
	if len(number) < 12 || len(number) > 19 {
		return false
	}
	sum := 0
	for i := range len(number) {
		digit := int(number[len(number)-1-i]) - '0'
		if digit < 0 || digit > 9 {
			return false
		}
		if i%2 == 1 {
			if digit *= 2; digit > 9 {
				digit -= 9
			}
		}
		sum += digit
	}
	return sum%10 == 0
}

// maskCard hides all but the last four digits.
func maskCard(number string) string {
	return strings.Repeat("*", len(number)-4) + number[len(number)-4:]
}
