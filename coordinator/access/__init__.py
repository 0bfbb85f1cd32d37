"""Who may do what here: roles of people and scripts, their tokens, and the enrolment of nodes."""
