//! Names of account fields.

use super::field::is_form;

/// By how certainly it is the account: forms that ask for a name often send an address as well.
pub(super) fn user_rank(word: &[u8]) -> Option<u8> {
    match word {
        b"uname" | b"loginname" | b"loginid" | b"accountname" | b"accountid" | b"usrname" | b"usernm"
        | b"benutzername" | b"benutzer" | b"usuario" | b"utilisateur" | b"utente" | b"nomeutente"
        | b"gebruikersnaam" | b"gebruiker" | b"brukernavn" | b"brugernavn" | b"anvandarnamn"
        | b"kayttajatunnus" | b"uzytkownik" | b"uzivatel" | b"felhasznalo" | b"kullanici"
        | b"kullaniciadi" | b"nickname" | b"screenname" | b"membername" | b"memberid" | b"lgname"
        | b"nutzername" | b"nutzer" | b"kayttaja" | b"zhanghao" | b"yonghuming" | b"felhasznalonev" => {
            Some(0)
        }
        b"email" | b"mail" | b"emailaddress" | b"mailaddress" | b"loginfmt" => Some(1),
        b"user" | b"usr" | b"account" | b"acct" | b"identifier" | b"identifiant" | b"identity" | b"ident"
        | b"principal" | b"nick" | b"handle" | b"member" | b"usercode" | b"usuarioid" => Some(2),
        // As often the name of the button.
        b"login" => Some(3),
        b"phone" | b"mobile" | b"msisdn" | b"telephone" | b"phonenumber" | b"mobilenumber" => Some(4),
        _ if is_foreign_user(word) => Some(0),
        _ if word
            .strip_prefix(b"user")
            .is_some_and(|rest| matches!(rest, b"input" | b"field" | b"fld" | b"box")) =>
        {
            Some(2)
        }
        _ if word.ends_with(b"username") || word.ends_with(b"userid") => Some(0),
        // As in `usernamefld`.
        _ if word.strip_prefix(b"username").is_some_and(is_form) => Some(0),
        _ if word.ends_with(b"email") => Some(1),
        _ => None,
    }
}

/// Words for an account in other scripts.
fn is_foreign_user(word: &[u8]) -> bool {
    ["логин", "пользователь", "имя", "用户名", "用户", "账号", "帐号", "帳號", "käyttäjä", "jméno", "név"]
        .iter()
        .any(|name| word == name.as_bytes())
}
