DROP TABLE accounts;
DROP TABLE sessions;
