//! The map of the library: the table in the documentation of `src/lib.rs`.

/// The modules of the library, from above to below.
#[derive(Debug, Default)]
pub struct Map {
    /// A row each.
    pub layers: Vec<Layer>,
}

/// A module of the library.
#[derive(Debug)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// The modules that it may use, all of them below it.
    pub may_use: Vec<String>,
    /// The modules in it that are pure; `all` where it is, as a whole.
    pure: Vec<String>,
}

impl Map {
    /// Reads the map in the documentation of a crate's root.
    pub fn read(root: &str) -> Self {
        let mut map = Self::default();
        let rows = root
            .lines()
            .filter_map(|line| line.strip_prefix("//! | [`"));
        // From below to above: what a module may use is known before it.
        for row in rows.rev() {
            let columns: Vec<&str> = row.split('|').map(str::trim).collect();
            let [name, _, may_use, pure, _] = columns[..] else {
                panic!("four columns: {row}");
            };
            let used = may_use.split_whitespace();
            let mut may_use: Vec<String> = used.flat_map(|used| map.used(used)).collect();
            may_use.sort();
            may_use.dedup();
            map.layers.push(Layer {
                name: name.trim_end_matches("`]").to_owned(),
                may_use,
                pure: pure.split_whitespace().map(str::to_owned).collect(),
            });
        }
        map.layers.reverse();
        map
    }

    /// A module by its name.
    pub fn layer(&self, name: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.name == name)
    }

    /// What a word of the third column stands for: `x`, or `x..` for x and all that x may use.
    fn used(&self, word: &str) -> Vec<String> {
        let name = word.trim_end_matches("..");
        let layer = self.layer(name);
        let layer = layer.unwrap_or_else(|| panic!("{name} does not stand below in the map"));
        let mut used = vec![name.to_owned()];
        if name != word {
            used.extend(layer.may_use.iter().cloned());
        }
        used
    }
}

impl Layer {
    /// Whether a module in it, by its path from here, is pure.
    pub fn is_pure(&self, inside: &[String]) -> bool {
        let is = |pure: &String| pure == "all" || inside.first() == Some(pure);
        self.pure.iter().any(is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_read_from_below_to_above() {
        let map = Map::read(
            "//! | [`a`] | it | b.. | c |\n//! | [`b`] | it | d | |\n//! | [`d`] | it | | all |",
        );
        let layer = |name: &str| map.layer(name).unwrap();
        assert_eq!(layer("a").may_use, ["b", "d"]);
        assert_eq!(layer("b").may_use, ["d"]);
        let inside = ["c".to_owned(), "e".to_owned()];
        assert!(layer("a").is_pure(&inside) && !layer("a").is_pure(&[]));
        assert!(!layer("b").is_pure(&inside) && layer("d").is_pure(&[]));
    }

    #[test]
    #[should_panic(expected = "a does not stand below in the map")]
    fn an_arrow_that_points_upwards_is_none_of_a_map() {
        Map::read("//! | [`a`] | it | | |\n//! | [`b`] | it | a | |");
    }
}
