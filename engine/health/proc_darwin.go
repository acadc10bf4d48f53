package health

func (r *Reading) proc() {}
