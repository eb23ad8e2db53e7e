//! How the demo's tables hang together: how many rows each has, whose each row is, and which row
//! of another table it points to. Everything follows from a row's number, so that ten million rows
//! need no more memory than ten.

use super::chance;

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
}

/// How large the demo is.
#[derive(Debug, Clone, Copy)]
pub struct World {
    items: u64,
    accounts: u64,
    products: u64,
}

impl World {
    /// A world with so many invoice items.
    pub fn of(items: u64) -> Self {
        let ten = |count: u64| count.next_multiple_of(10).max(10);
        Self { items, accounts: ten(items / 100), products: ten(items / 5_000) }
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
        }
    }

    /// About how many invoice items are somebody's.
    pub fn rows_of(&self, owner: Owner) -> u64 {
        self.items * owner.places().len() as u64 / 10
    }

    /// The account that a row belongs to; for a product and its parts, the product.
    fn root(&self, kind: Kind, row: u64) -> u64 {
        match kind {
            Kind::Account | Kind::PaymentMethod | Kind::Product => row,
            Kind::Contact | Kind::Subscription | Kind::RatePlan | Kind::ProductRatePlan => row / 2,
            Kind::RatePlanCharge | Kind::ProductRatePlanCharge => row / 4,
            Kind::Invoice => row % self.accounts,
            Kind::InvoiceItem => self.root(Kind::Invoice, row / 4),
            Kind::Payment => self.root(Kind::Invoice, paid_invoice(row)),
        }
    }

    /// A row of a table.
    pub fn row(&self, kind: Kind, at: u64) -> Row<'_> {
        Row { world: self, kind, at, owner: Owner::of(self.root(kind, at)) }
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
        Row { kind, at, ..self }
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
                let places = self.owner.places();
                let count = places.len() as u64;
                let pick = self.rate_plan().pick(1, self.world.products / 10 * count);
                let place = places[usize::try_from(pick % count).unwrap_or(0)];
                self.to(Kind::Product, pick / count * 10 + place)
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
