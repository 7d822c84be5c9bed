//! A generator of files of made-up patients. No person in the files is real. The same seed always
//! produces the same file.
//!
//! NHS numbers are from the range 9xx xxx xxxx, which is never issued. Postcodes and practices are
//! from a dataset. Most people are registered with a practice whose area includes their postcode.
//! Each kind of data error that is common in real exports occurs in 3% of the rows, and some rows
//! contain several errors.

use catchment::index::{Index, LayerResult, LocateQuery, Locator};
use jiff::civil::date;

/// The header row, with twelve columns as in an export from a clinical system.
pub(crate) const NAMES: &str = "nhs_number,surname,forename,date_of_birth,sex,address_1,address_2,postcode,\
    gp_practice_code,registered_on,language,note";

/// A generator of rows of made-up patients.
pub(crate) struct Patients {
    /// The postcodes, each with the practices whose area includes the postcode.
    homes: Vec<(String, Vec<String>)>,
    practices: Vec<String>,
    state: u64,
}

const SURNAMES: &[&str] = &[
    "Airey",
    "Benson",
    "Cowperthwaite",
    "Dixon",
    "Fell",
    "Garnett",
    "Huddleston",
    "Inman",
    "Kellet",
    "Lowther",
    "Mounsey",
    "Nicholson",
    "O'Hara",
    "Postlethwaite",
    "Rigg",
    "Satterthwaite",
    "Tyson",
    "Usher",
    "Wren",
    "Żak",
];
const FORENAMES: &[&str] = &[
    "Ada", "Bilal", "Ceri", "Dorothy", "Eoin", "Fatima", "Gwen", "Hugh", "Ivy", "Jan", "Kezia",
    "Leo", "Mina", "Noor", "Otto", "Priya", "Ruth", "Sam", "Tess", "Zoë",
];
const STREETS: &[&str] = &[
    "Beck Lane",
    "Church Brow",
    "Fellside",
    "Gill Rise",
    "Harbour Street",
    "Kirkgate",
    "Mill Garth",
    "Quay Road",
    "Station Terrace",
    "Tarn View",
];
const TOWNS: &[&str] = &[
    "Aldmere",
    "Brigthwaite",
    "Carnsea",
    "Dunholme",
    "Eskbeck",
    "Farrowby",
];
const NOTES: &[&str] = &[
    "",
    "",
    "",
    "",
    "carer",
    "interpreter needed",
    "prefers letters",
    "moved in 2024",
];

impl Patients {
    /// Creates a generator of people who live at the postcodes of an index and are registered with
    /// the practices of the index.
    pub(crate) fn new(index: &Index, seed: u64) -> Patients {
        let day = date(2025, 12, 1);
        let near = |postcode| {
            let query = LocateQuery {
                locator: Some(Locator::Postcode(postcode)),
                practice: None,
                as_of: day,
            };
            let residence = index.locate(&query).residence;
            let found_practices = residence.into_iter().find_map(|(_, found)| match found {
                LayerResult::Practices(practices) => Some(practices),
                _ => None,
            });
            let practices = found_practices.unwrap_or_default().into_iter();
            practices
                .map(|practice_match| practice_match.practice.code.to_string())
                .collect()
        };
        let homes = index.postcodes().map(|entry| {
            let postcode = entry.postcode;
            (postcode.to_string(), near(postcode))
        });
        Patients {
            homes: homes.collect(),
            practices: index
                .practices()
                .iter()
                .map(|practice| practice.code.to_string())
                .collect(),
            state: seed,
        }
    }

    /// Returns a CSV file with a header row and `rows` rows.
    #[allow(dead_code, reason = "the bench writes row by row")]
    pub(crate) fn csv(&mut self, rows: usize) -> Vec<u8> {
        let mut csv = format!("{NAMES}\n").into_bytes();
        for _ in 0..rows {
            self.row(&mut csv);
        }
        csv
    }

    /// Appends a row to `out`.
    pub(crate) fn row(&mut self, out: &mut Vec<u8>) {
        let number = format!(
            "9{:02} {:03} {:04}",
            self.random_below(100),
            self.random_below(1_000),
            self.random_below(10_000)
        );
        let (year, month, day) = (
            1925 + self.random_below(100),
            1 + self.random_below(12),
            1 + self.random_below(28),
        );
        let born = if self.is_dirty() {
            format!("{day:02}/{month:02}/{year}")
        } else {
            format!("{year}-{month:02}-{day:02}")
        };
        let registered_on = format!(
            "{}-{:02}-01",
            2000 + self.random_below(25),
            1 + self.random_below(12)
        );
        let street = format!("{} {}", 1 + self.random_below(150), self.pick(STREETS));
        let address = if self.is_dirty() {
            format!("\"Flat {}, {street}\"", 1 + self.random_below(9))
        } else {
            street
        };
        let note = match (self.is_dirty(), self.is_dirty(), self.is_dirty()) {
            (true, ..) => "\"rang on Monday\nwill ring again\"".to_string(),
            (_, true, _) => "\"says \"\"no thanks\"\"\"".to_string(),
            (.., true) => "=HYPERLINK(A1)".to_string(),
            _ => self.pick(NOTES).to_string(),
        };
        let home = self.random_below(self.homes.len());
        let fields = [
            if self.is_dirty() {
                "4.5E+09".into()
            } else {
                number
            },
            self.pick(SURNAMES).to_string(),
            self.pick(FORENAMES).to_string(),
            born,
            self.pick(&["F", "M", "X"]).to_string(),
            address,
            self.pick(TOWNS).to_string(),
            self.postcode(home),
            self.practice(home),
            registered_on,
            self.pick(&["en", "en", "en", "pl", "ur"]).to_string(),
            note,
        ];
        let count = match (self.is_dirty(), self.random_below(2)) {
            (true, 0) => 9,
            _ => fields.len(),
        };
        out.extend_from_slice(fields[..count].join(",").as_bytes());
        out.push(b'\n');
    }

    fn postcode(&mut self, home: usize) -> String {
        let postcode = self.homes[home].0.clone();
        type Mutation = fn(&str) -> String;
        let mutations: [Mutation; 11] = [
            |text| text.to_lowercase(),
            |text| text.replace(' ', ""),
            |text| format!(" {} ", text.replace(' ', "  ")),
            |text| text.replacen('1', "I", 1),
            |text| text.split(' ').next().unwrap_or_default().to_string(),
            |_| String::new(),
            |_| "ZZ99 3VZ".to_string(),
            |_| "ZZ99 3WZ".to_string(),
            |_| "SW1A 1AA".to_string(),
            |_| "LA1 0AA".to_string(),
            |_| "N/K".to_string(),
        ];
        for mutation in mutations {
            if self.is_dirty() {
                return mutation(&postcode);
            }
        }
        postcode
    }

    /// Returns a practice code. Nine in ten people are registered with a practice whose area
    /// includes their home.
    fn practice(&mut self, home: usize) -> String {
        let near = self.homes[home].1.len();
        let practice = match (near, self.random_below(10)) {
            (0, _) | (_, 0) => {
                let index = self.random_below(self.practices.len());
                self.practices[index].clone()
            }
            _ => {
                let index = self.random_below(near);
                self.homes[home].1[index].clone()
            }
        };
        type Mutation = fn(&str) -> String;
        let mutations: [Mutation; 6] = [
            |text| text.to_lowercase(),
            |text| format!("{text}001"),
            |_| String::new(),
            |_| "V81997".to_string(),
            |_| "X99999".to_string(),
            |_| "&".to_string(),
        ];
        for mutation in mutations {
            if self.is_dirty() {
                return mutation(&practice);
            }
        }
        practice
    }

    /// Returns `true` with a probability of 3%.
    fn is_dirty(&mut self) -> bool {
        self.random_below(100) < 3
    }

    fn pick(&mut self, words: &[&'static str]) -> &'static str {
        words[self.random_below(words.len())]
    }

    /// Returns a random number below `sides` (SplitMix64).
    fn random_below(&mut self, sides: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed = (mixed ^ (mixed >> 31)) >> 32;
        usize::try_from((mixed * sides as u64) >> 32).expect("below `sides`")
    }
}
