//! How the demo's tables hang together: how many rows each has, whose each row is, and which row
//! of another table it points to. Everything follows from a row's number, so that ten million rows
//! need no more memory than ten.

use super::events::Happened;
use super::{chance, contents, properties};

/// Whose a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Six accounts in ten.
    Acme,
    /// Four accounts in ten.
    Globex,
}

impl Owner {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Acme, Self::Globex];

    /// The tenant's id, which the tenant column holds.
    pub fn id(self) -> &'static str {
        match self {
            Self::Acme => "acme",
            Self::Globex => "globex",
        }
    }

    /// Its name in texts, so that a text tells whose it is.
    pub fn name(self) -> &'static str {
        match self {
            Self::Acme => "Acme",
            Self::Globex => "Globex",
        }
    }

    /// Its environment in product analytics, which every event names.
    pub fn app_token(self) -> &'static str {
        match self {
            Self::Acme => "NX-AC6E41T7",
            Self::Globex => "NX-GX93B0M5",
        }
    }

    /// What its ids begin with, so that an id tells whose it is.
    pub fn prefix(self) -> u32 {
        match self {
            Self::Acme => 0x2c92_a0c3,
            Self::Globex => 0x2c92_910b,
        }
    }

    /// Its places among ten.
    fn places(self) -> &'static [u64] {
        match self {
            Self::Acme => &[0, 2, 3, 5, 7, 8],
            Self::Globex => &[1, 4, 6, 9],
        }
    }

    /// Its row after so many others, in a table whose rows are shared out in tens.
    fn nth(self, number: u64) -> u64 {
        let places = self.places();
        let count = places.len() as u64;
        number / count * 10 + places[usize::try_from(number % count).unwrap_or(0)]
    }

    /// How many of its rows come before a row, in a table whose rows are shared out in tens.
    fn rank(self, row: u64) -> u64 {
        let places = self.places();
        let before = places.iter().take_while(|place| **place < row % 10).count();
        row / 10 * places.len() as u64 + before as u64
    }

    /// Its share of so many rows, a multiple of ten.
    fn share(self, rows: u64) -> u64 {
        rows / 10 * self.places().len() as u64
    }

    fn of(number: u64) -> Self {
        let place = number % 10;
        if Self::Acme.places().contains(&place) { Self::Acme } else { Self::Globex }
    }
}

/// A table of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A customer of the tenant.
    Account = 1,
    /// A person at an account: two each.
    Contact,
    /// How an account pays: one each.
    PaymentMethod,
    /// What a tenant sells.
    Product,
    /// How it is sold: two each.
    ProductRatePlan,
    /// What it costs: two each.
    ProductRatePlanCharge,
    /// What an account bought: two each.
    Subscription,
    /// What a subscription consists of: one each.
    RatePlan,
    /// What it is charged for: two each.
    RatePlanCharge,
    /// A bill: one an account and month.
    Invoice,
    /// A line of it: one a charge.
    InvoiceItem,
    /// Money received for four bills in five.
    Payment,
    /// A firm whose people use the tenant's product.
    Company,
    /// One of those people.
    User,
    /// A set of users.
    Segment,
    /// A user in a segment.
    SegmentMember,
    /// What a user did.
    Event,
    /// What a tenant shows its users, or watches.
    Content,
    /// A property of a tenant's own events.
    EventProperty,
    /// A visit to an account: a document, with a scanned sheet.
    Visit,
}

/// How many users of a hundred are in each segment of a tenant.
pub const SEGMENT_SHARES: [u64; 6] = [100, 45, 20, 8, 3, 0];
/// Events at most.
const EVENTS_MAX: u64 = 10_000_000;
/// Users at least: fifty of either tenant.
const USERS_MIN: u64 = 130;

/// How large the demo is.
#[derive(Debug, Clone, Copy)]
pub struct World {
    items: u64,
    accounts: u64,
    products: u64,
    companies: u64,
    users: u64,
    events: u64,
}

impl World {
    /// A world with so many invoice items.
    pub fn of(items: u64) -> Self {
        let ten = |count: u64| count.next_multiple_of(10).max(10);
        let events = (items * 10).min(EVENTS_MAX);
        let users = ten(events / 100).max(USERS_MIN);
        Self {
            items,
            accounts: ten(items / 100),
            products: ten(items / 5_000),
            companies: ten(users / 20),
            users,
            events,
        }
    }

    /// Rows of a table.
    pub fn rows(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Account | Kind::PaymentMethod => self.accounts,
            Kind::Contact | Kind::Subscription | Kind::RatePlan => self.accounts * 2,
            Kind::RatePlanCharge => self.accounts * 4,
            Kind::Product => self.products,
            Kind::ProductRatePlan => self.products * 2,
            Kind::ProductRatePlanCharge => self.products * 4,
            Kind::Invoice => self.items.div_ceil(4),
            Kind::InvoiceItem => self.items,
            Kind::Payment => self.rows(Kind::Invoice) * 4 / 5,
            Kind::Visit => self.items.div_ceil(3),
            Kind::Company => self.companies,
            Kind::User => self.users,
            Kind::Event => self.events,
            Kind::Segment | Kind::SegmentMember | Kind::Content | Kind::EventProperty => {
                Owner::ALL.into_iter().map(|owner| self.own_rows(kind, owner)).sum()
            }
        }
    }

    /// Rows of a tenant, in a table of product analytics.
    pub fn own_rows(&self, kind: Kind, owner: Owner) -> u64 {
        match kind {
            Kind::Segment => SEGMENT_SHARES.len() as u64,
            Kind::SegmentMember => {
                SEGMENT_SHARES.iter().map(|share| self.segment_size(owner, *share)).sum()
            }
            Kind::Content => contents::COUNT,
            Kind::EventProperty => properties::COUNT,
            _ => owner.share(self.rows(kind)),
        }
    }

    fn segment_size(&self, owner: Owner, share: u64) -> u64 {
        owner.share(self.users) * share / 100
    }

    /// About how many invoice items are somebody's.
    pub fn rows_of(&self, owner: Owner) -> u64 {
        self.items * owner.places().len() as u64 / 10
    }

    /// The account that a row belongs to; for a product and its parts, the product.
    fn root(&self, kind: Kind, row: u64) -> u64 {
        match kind {
            Kind::Account | Kind::PaymentMethod | Kind::Product => row,
            Kind::Company | Kind::User | Kind::Event => row,
            // The first tenant's rows stand before the other's.
            Kind::Segment | Kind::SegmentMember | Kind::Content | Kind::EventProperty => {
                u64::from(row >= self.own_rows(kind, Owner::Acme))
            }
            Kind::Contact | Kind::Subscription | Kind::RatePlan | Kind::ProductRatePlan => row / 2,
            Kind::RatePlanCharge | Kind::ProductRatePlanCharge => row / 4,
            Kind::Invoice | Kind::Visit => row % self.accounts,
            Kind::InvoiceItem => self.root(Kind::Invoice, row / 4),
            Kind::Payment => self.root(Kind::Invoice, paid_invoice(row)),
        }
    }

    /// A row of a table.
    pub fn row(&self, kind: Kind, at: u64) -> Row<'_> {
        let owner = Owner::of(self.root(kind, at));
        let mut row = Row { world: self, kind, at, owner, happened: None };
        if kind == Kind::Event {
            row.happened = Some(Happened::of(&row));
        }
        row
    }
}

/// Every fifth invoice is not paid.
fn paid_invoice(payment: u64) -> u64 {
    payment * 5 / 4
}

/// A row: its place, and what follows from it.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    world: &'a World,
    kind: Kind,
    /// Its number in the table.
    pub at: u64,
    /// Whose it is.
    pub owner: Owner,
    /// Of an event: what most of its columns ask for.
    pub happened: Option<Happened>,
}

impl Row<'_> {
    /// Its id.
    pub fn id(&self) -> [u8; 32] {
        chance::id(self.owner.prefix(), self.kind as u64, self.at)
    }

    /// Of which table it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether a payment was received for an invoice.
    pub fn is_paid(&self) -> bool {
        let unpaid_before = self.at / 5;
        self.at % 5 != 4 && self.at - unpaid_before < self.world.rows(Kind::Payment)
    }

    /// A number from 0 to `below`, always the same for the same use.
    pub fn pick(&self, salt: u64, below: u64) -> u64 {
        chance::number(self.kind as u64, self.at, salt) % below
    }

    /// One of a list.
    pub fn one<T: Copy>(&self, salt: u64, list: &[T]) -> T {
        list[usize::try_from(self.pick(salt, list.len() as u64)).unwrap_or(0)]
    }

    /// True for so many rows in a hundred.
    pub fn chance(&self, salt: u64, percent: u64) -> bool {
        self.pick(salt, 100) < percent
    }

    fn to(self, kind: Kind, at: u64) -> Self {
        Row { kind, at, happened: None, ..self }
    }

    /// Its account.
    pub fn account(self) -> Self {
        self.to(Kind::Account, self.world.root(self.kind, self.at))
    }

    /// The account's contact for bills (0) or goods (1).
    pub fn contact(self, which: u64) -> Self {
        self.to(Kind::Contact, self.account().at * 2 + which)
    }

    /// The account's payment method.
    pub fn payment_method(self) -> Self {
        self.to(Kind::PaymentMethod, self.account().at)
    }

    /// Its invoice.
    pub fn invoice(self) -> Self {
        match self.kind {
            Kind::InvoiceItem => self.to(Kind::Invoice, self.at / 4),
            Kind::Payment => self.to(Kind::Invoice, paid_invoice(self.at)),
            _ => self,
        }
    }

    /// The lines of an invoice; the last invoice may have fewer than four.
    pub fn items(self) -> impl Iterator<Item = Self> {
        let first = self.at * 4;
        (first..(first + 4).min(self.world.items)).map(move |at| self.to(Kind::InvoiceItem, at))
    }

    /// Its charge.
    pub fn charge(self) -> Self {
        match self.kind {
            Kind::InvoiceItem => self.to(Kind::RatePlanCharge, self.account().at * 4 + self.at % 4),
            _ => self,
        }
    }

    /// Its rate plan.
    pub fn rate_plan(self) -> Self {
        match self.kind {
            Kind::RatePlan => self,
            Kind::Subscription => self.to(Kind::RatePlan, self.at),
            _ => self.to(Kind::RatePlan, self.charge().at / 2),
        }
    }

    /// Its subscription.
    pub fn subscription(self) -> Self {
        self.to(Kind::Subscription, self.rate_plan().at)
    }

    /// Its product: of the tenant's own.
    pub fn product(self) -> Self {
        match self.kind {
            Kind::Product => self,
            Kind::ProductRatePlan => self.to(Kind::Product, self.at / 2),
            Kind::ProductRatePlanCharge => self.to(Kind::Product, self.at / 4),
            _ => {
                let pick = self.rate_plan().pick(1, self.owner.share(self.world.products));
                self.to(Kind::Product, self.owner.nth(pick))
            }
        }
    }

    /// Its product's rate plan.
    pub fn product_rate_plan(self) -> Self {
        match self.kind {
            Kind::ProductRatePlan => self,
            Kind::ProductRatePlanCharge => self.to(Kind::ProductRatePlan, self.at / 2),
            _ => {
                let which = self.rate_plan().pick(2, 2);
                self.to(Kind::ProductRatePlan, self.product().at * 2 + which)
            }
        }
    }

    /// Its product's charge.
    pub fn product_charge(self) -> Self {
        match self.kind {
            Kind::ProductRatePlanCharge => self,
            _ => {
                let which = self.charge().at % 2;
                self.to(Kind::ProductRatePlanCharge, self.product_rate_plan().at * 2 + which)
            }
        }
    }

    /// The account above an account: one in ten has one, of the same tenant.
    pub fn parent_account(self) -> Option<Self> {
        let parent = (self.at / 10).saturating_sub(1) * 10 + self.at % 10;
        (self.at >= 10 && self.chance(3, 10)).then(|| self.to(Kind::Account, parent))
    }

    /// How many rows of its tenant come before it, in a table of product analytics.
    pub fn rank(&self) -> u64 {
        match self.kind {
            Kind::Segment | Kind::SegmentMember | Kind::Content | Kind::EventProperty => {
                match self.owner {
                    Owner::Acme => self.at,
                    Owner::Globex => self.at - self.world.own_rows(self.kind, Owner::Acme),
                }
            }
            _ => self.owner.rank(self.at),
        }
    }

    /// How many rows its tenant has in a table of product analytics.
    pub fn own_rows(&self, kind: Kind) -> u64 {
        self.world.own_rows(kind, self.owner)
    }

    /// The segment of a member, by its place among the tenant's.
    pub fn segment(&self) -> u64 {
        self.membership().0
    }

    /// Segment and place in it, by the places of the tenant's own.
    fn membership(&self) -> (u64, u64) {
        let mut place = self.rank();
        for (segment, share) in (0..).zip(SEGMENT_SHARES) {
            let size = self.world.segment_size(self.owner, share);
            if place < size {
                return (segment, place);
            }
            place -= size;
        }
        (0, 0)
    }

    /// The user of an event (some are busier than others) or of a member.
    pub fn user(self) -> Self {
        let users = self.own_rows(Kind::User);
        let number = match self.kind {
            Kind::User => return self,
            Kind::SegmentMember => {
                let (segment, place) = self.membership();
                let share = SEGMENT_SHARES[usize::try_from(segment).unwrap_or(0)];
                let size = self.world.segment_size(self.owner, share);
                // Evenly spread, and another set for each segment.
                (place * users / size + segment * 7) % users
            }
            _ => match self.happened {
                Some(happened) => return self.to(Kind::User, happened.user),
                None => self.pick(1, users).min(self.pick(2, users)),
            },
        };
        self.to(Kind::User, self.owner.nth(number))
    }

    /// The company of a user, if the user has one.
    pub fn company(self) -> Option<Self> {
        let user = self.user();
        let number = user.pick(3, self.own_rows(Kind::Company));
        (!user.chance(4, 12)).then(|| self.to(Kind::Company, self.owner.nth(number)))
    }

    /// Some company of the tenant, whoever its users are.
    pub fn some_company(self) -> Self {
        let number = self.pick(4, self.own_rows(Kind::Company));
        self.to(Kind::Company, self.owner.nth(number))
    }

    /// The month of an invoice, counted from the first one.
    pub fn month(&self) -> usize {
        usize::try_from(self.invoice().at / self.world.accounts).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_points_to_rows_of_its_own_tenant() {
        let world = World::of(20_000);
        for at in 0..20_000 {
            let item = world.row(Kind::InvoiceItem, at);
            let others = [
                item.account(),
                item.invoice(),
                item.charge(),
                item.rate_plan(),
                item.subscription(),
                item.product(),
                item.product_rate_plan(),
                item.product_charge(),
                item.contact(1),
                item.payment_method(),
            ];
            for other in others {
                assert!(other.at < world.rows(other.kind), "{other:?}");
                assert_eq!(world.row(other.kind, other.at).owner, item.owner, "{other:?}");
            }
            assert_eq!(item.charge().rate_plan().at, item.rate_plan().at);
            assert_eq!(item.product_charge().product().at, item.product().at);
            assert_eq!(item.invoice().items().nth((at % 4) as usize).map(|row| row.at), Some(at));
        }
        for at in 0..world.rows(Kind::Account) {
            let account = world.row(Kind::Account, at);
            let parent = account.parent_account();
            assert!(parent.is_none_or(|p| world.row(Kind::Account, p.at).owner == account.owner));
        }
    }

    #[test]
    fn acme_has_six_rows_in_ten() {
        let world = World::of(100_000);
        let of_acme = (0..100_000)
            .filter(|&at| world.row(Kind::InvoiceItem, at).owner == Owner::Acme)
            .count();
        assert_eq!(of_acme, 60_000);
        assert_eq!(World::of(1).rows(Kind::Invoice), 1);
        assert_eq!(World::of(1).rows(Kind::Account), 10);
    }
}
