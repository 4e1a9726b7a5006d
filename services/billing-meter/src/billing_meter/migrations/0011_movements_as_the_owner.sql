-- Original: sha256 bc92c5839515e87334178f35a019265dd37c0712af054f5222c67d99f2f43e99
-- It changed functions only: those in functions/ run as the ledger's owner where they say so.
SELECT;
