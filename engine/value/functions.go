package value

// Function describes one function of the language.
type Function struct {
	Name      string
	Signature string
	Help      string
}

// Functions lists the functions of the language by name, for the documentation.
func Functions() []Function { panic("stub") }

// CheckName reports why name cannot be the name of an extracted value or of a data set: it is not a word, or it means
// something else already.
func CheckName(name string) error { panic("stub") }
