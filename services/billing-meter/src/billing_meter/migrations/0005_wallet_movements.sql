-- Original: sha256 51765f443cf32b74eff457eef156e0b1c9126b406c49dedba14f502a991fd2e0
-- A movement's answer tells the wallet, and which threshold of a low balance has been told of.
ALTER TYPE movement ADD ATTRIBUTE told_low bigint, ADD ATTRIBUTE low_at bigint[],
    ADD ATTRIBUTE wallet text;
