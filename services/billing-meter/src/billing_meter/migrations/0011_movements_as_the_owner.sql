-- Whoever may call a movement need not be able to write what it writes: it runs as the ledger's owner.
ALTER FUNCTION receive_credits SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION hold_credits SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION capture_credits SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION release_credits SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION refund_credits SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION adjust_credits SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION reverse_credits SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION reinstate_credits SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION expire_promotions SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION promise_credits SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION draw_credits SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION settle_promise SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION rebuild_balances SECURITY DEFINER SET search_path = public, pg_temp;
