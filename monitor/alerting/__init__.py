"""Who is told of an alert, and what keeps that back; decides nothing about the alert."""
