//! The application's user table and its way of authenticating users. It represents what a team
//! already has, and knows nothing about sessions or tokens.

/// A row of the table.
#[derive(Clone, Debug)]
pub struct User {
    /// The key of the row.
    pub id: u64,
    /// The e-mail address.
    pub email: String,
    /// The login code that was last sent to that address.
    pub code: String,
    /// The user's aquarium.
    pub tank: String,
}

/// The table.
#[derive(Debug)]
pub struct Users(Vec<User>);

impl Users {
    /// A table of these users.
    #[must_use]
    pub const fn new(users: Vec<User>) -> Self {
        Self(users)
    }

    /// The user with this address, if `code` is the one that was sent to it.
    #[must_use]
    pub fn authenticate(&self, email: &str, code: &str) -> Option<&User> {
        self.0.iter().find(|user| user.email == email && user.code == code)
    }

    /// The user with this id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&User> {
        self.0.iter().find(|user| user.id.to_string() == id)
    }
}
