//! Which functions are a flow of the business.

/// A flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Flow {
    SignUp,
    Reset,
    Coupon,
    Payment,
    Lookup,
}

impl Flow {
    pub(in super::super) const ALL: [Self; 5] =
        [Self::SignUp, Self::Reset, Self::Coupon, Self::Payment, Self::Lookup];

    /// Of a function, by words of its template.
    pub(in super::super) fn of(method: Option<&str>, route: &str) -> Option<Self> {
        let has = |words: &[&str]| {
            let parts = route.split(['/', '-', '_', '.']);
            parts.into_iter().any(|part| words.iter().any(|word| part.eq_ignore_ascii_case(word)))
        };
        let holds = |words: &[&str]| words.iter().any(|word| route.contains(word));
        match method? {
            "POST" | "PUT"
                if has(&["signup", "register", "registration"]) || holds(&["sign-up", "sign_up"]) =>
            {
                Some(Self::SignUp)
            }
            "POST" | "PUT" if has(&["reset", "forgot", "recover", "recovery"]) => Some(Self::Reset),
            "POST" | "PUT" | "GET"
                if has(&["coupon", "coupons", "voucher", "vouchers", "promo", "giftcard", "redeem"]) =>
            {
                Some(Self::Coupon)
            }
            "POST" | "PUT"
                if has(&["checkout", "payment", "payments", "pay", "charge", "charges", "cards"]) =>
            {
                Some(Self::Payment)
            }
            "GET"
                if has(&[
                    "stock",
                    "availability",
                    "inventory",
                    "price",
                    "prices",
                    "quotes",
                    "fares",
                    "seats",
                ]) =>
            {
                Some(Self::Lookup)
            }
            _ => None,
        }
    }

    /// Whether failures are counted, rather than runs.
    pub(super) const fn fails(self) -> bool {
        matches!(self, Self::Coupon | Self::Payment)
    }

    /// What is counted.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::SignUp => "sign-ups",
            Self::Reset => "resets of passwords",
            Self::Coupon => "refused coupons",
            Self::Payment => "declined payments",
            Self::Lookup => "requests for prices or stock",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_are_told_by_words() {
        for (method, route, flow) in [
            ("POST", "/api/v1/sign-up", Some(Flow::SignUp)),
            ("POST", "/register", Some(Flow::SignUp)),
            ("GET", "/register", None),
            ("POST", "/password/reset", Some(Flow::Reset)),
            ("GET", "/coupons/{param}", Some(Flow::Coupon)),
            ("POST", "/cart/{id}/checkout", Some(Flow::Payment)),
            ("GET", "/payments/{id}", None),
            ("GET", "/items/{id}/stock", Some(Flow::Lookup)),
            ("POST", "/registered-letters", None),
            ("POST", "/presets", None),
        ] {
            assert_eq!(Flow::of(Some(method), route), flow, "{method} {route}");
        }
    }
}
