use jiff::civil::Date;

/// A question and its answer, as a line of `golden_queries.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// The line, from 1.
    pub line: u64,
    /// The fields of the question; blank ones are not asked.
    pub question: Vec<(&'static str, String)>,
    /// The status, or the code of the problem.
    pub status: String,
    /// The id of the ICC by residence; blank is none.
    pub icc_residence: String,
    /// The id of the ICC by registration; blank is none.
    pub icc_registration: String,
}

/// How many ICCs a system's own page states, as a line of `systems.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedCount {
    /// The system's id: `morecambe-bay`.
    pub system: String,
    /// Its name.
    pub name: String,
    /// The day of the page; `None` where only the number is known.
    pub page_date: Option<Date>,
    /// The number that the page states.
    pub stated: u32,
    /// The sections that the page has, where they were counted.
    pub sections: Option<u32>,
    /// What a reader should know of the number.
    pub note: String,
}
