use jiff::civil::Date;

/// A query and its expected answer: one line of `golden_queries.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldenQuery {
    /// The line number, counted from 1.
    pub line: u64,
    /// The names and values of the query's fields, without the blank fields.
    pub fields: Vec<(&'static str, String)>,
    /// The expected status, or the expected problem code.
    pub status: String,
    /// The id of the expected community of residence; blank if none is expected.
    pub residence: String,
    /// The id of the expected community of registration; blank if none is expected.
    pub registration: String,
}

/// The number of communities that a system states on its own page: one line of `systems.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedCount {
    /// The id of the system: `morecambe-bay`.
    pub system: String,
    /// The name of the system.
    pub name: String,
    /// The date of the page; `None` if the date is not known.
    pub page_date: Option<Date>,
    /// The number of communities that the page states.
    pub stated_count: u32,
    /// The number of sections on the page, if they were counted.
    pub sections: Option<u32>,
    /// An explanation of the number for users.
    pub note: String,
    /// The text of the page about the boundaries; may be blank.
    pub boundaries: String,
    /// The smallest and the largest number of people in a community that the page states.
    pub people: Option<(u32, u32)>,
    /// The text in which the page states the number; may be blank.
    pub wording: String,
}
