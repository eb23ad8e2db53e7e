//! Words that the demo's texts are put together from.

/// Companies: with quotes, commas and letters beyond ASCII.
pub const COMPANIES: [&str; 24] = [
    "Müller & Söhne",
    "Łódź Logistics",
    "Crème Brûlée SARL",
    "O'Neill Partners",
    "Nordlys \"Aurora\" AS",
    "Smith, Jones & Co",
    "東京データ",
    "Ελιά Foods",
    "Señor Café",
    "Ångström Labs",
    "Дом Книги",
    "Zürich Re-Use",
    "Pão de Açúcar",
    "Blue Harbour",
    "First & Last, Inc.",
    "Quick \"Q\" Print",
    "Vinyl Revival",
    "Granite Works",
    "Harvest Moon",
    "Copper Kettle",
    "Silver Birch",
    "Northern Light",
    "Open Fields",
    "Paper Lantern",
];

/// First names.
pub const FIRST_NAMES: [&str; 16] = [
    "Jana", "Søren", "Zoë", "Łukasz", "María", "Åsa", "Chloë", "Mehmet", "Aiko", "Olga", "Liam",
    "Noor", "Kwame", "Ines", "Tom", "Yara",
];

/// Last names.
pub const LAST_NAMES: [&str; 16] = [
    "Nováková",
    "O'Brien",
    "Müller",
    "García",
    "Øvergård",
    "Kowalska",
    "Sato",
    "Yılmaz",
    "Dubois",
    "Rossi",
    "Smith",
    "Haddad",
    "Mensah",
    "Costa",
    "Berg",
    "Ivanova",
];

/// City, state, country, postal code.
pub const PLACES: [(&str, Option<&str>, &str, &str); 12] = [
    ("Berlin", None, "Germany", "10115"),
    ("Zürich", Some("ZH"), "Switzerland", "8001"),
    ("Oslo", None, "Norway", "0150"),
    ("San Francisco", Some("California"), "United States", "94105"),
    ("Austin", Some("Texas"), "United States", "73301"),
    ("São Paulo", Some("SP"), "Brazil", "01000-000"),
    ("東京", None, "Japan", "100-0001"),
    ("Kraków", None, "Poland", "30-001"),
    ("Toronto", Some("Ontario"), "Canada", "M5H 2N2"),
    ("Málaga", None, "Spain", "29001"),
    ("London", None, "United Kingdom", "EC1A 1BB"),
    ("Αθήνα", None, "Greece", "105 57"),
];

/// Currencies, the most common one more often.
pub const CURRENCIES: [&str; 6] = ["USD", "USD", "USD", "EUR", "EUR", "GBP"];

/// The currencies there are.
pub const CURRENCY_VALUES: [&str; 3] = ["USD", "EUR", "GBP"];

/// What is sold: name, stock keeping unit, unit of measure.
pub const PRODUCTS: [(&str, &str, &str); 10] = [
    ("Cloud Seats", "SEAT", "User"),
    ("Data Storage", "STOR", "GB"),
    ("Support, Premium", "SUPP", "Each"),
    ("API Calls", "CALL", "1000 Calls"),
    ("\"Starter\" Bundle", "STRT", "Each"),
    ("Café Wi-Fi", "WIFI", "Site"),
    ("Training Days", "TRNG", "Day"),
    ("Analytics", "ANLY", "User"),
    ("Backup", "BKUP", "GB"),
    ("Messaging", "MSGS", "1000 Messages"),
];

/// Plans of a product.
pub const PLANS: [&str; 2] = ["Monthly", "Annual, prepaid"];

/// Charges of a plan.
pub const CHARGES: [&str; 2] = ["Base fee", "Usage"];
