"""The only vocabulary the five services share: events, requests and replies, and the price rules."""
