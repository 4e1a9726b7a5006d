-- Original: sha256 7d7e1048737a72be66749a0923eeab35a3c43cd12f1fb00c782fa6c1010f9280
-- It made functions only, which are in functions/ now.
SELECT;
