// The ceremony with the authenticator. It sends nothing by itself: it fills in the form of the page and submits it.
"use strict";

const button = document.querySelector("button[data-passkey]");
const form = button.form;
const failure = document.getElementById("failure");

function bytes(text) {
  const decoded = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(decoded, (character) => character.charCodeAt(0));
}

function text(buffer) {
  const encoded = btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""));
  return encoded.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function named(list) {
  return (list || []).map((known) => ({ ...known, id: bytes(known.id) }));
}

async function ask(options) {
  const publicKey = { ...options, challenge: bytes(options.challenge) };
  if (button.dataset.passkey === "get") {
    publicKey.allowCredentials = named(options.allowCredentials);
    return navigator.credentials.get({ publicKey });
  }
  publicKey.user = { ...options.user, id: bytes(options.user.id) };
  publicKey.excludeCredentials = named(options.excludeCredentials);
  return navigator.credentials.create({ publicKey });
}

function answer(credential) {
  const from = credential.response;
  const response = { clientDataJSON: text(from.clientDataJSON) };
  if (button.dataset.passkey === "get") {
    response.authenticatorData = text(from.authenticatorData);
    response.signature = text(from.signature);
    response.userHandle = from.userHandle ? text(from.userHandle) : null;
  } else {
    response.attestationObject = text(from.attestationObject);
    response.transports = from.getTransports ? from.getTransports() : [];
  }
  return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  failure.hidden = true;
  try {
    form.elements.answer.value = answer(await ask(JSON.parse(button.dataset.options)));
  } catch (error) {
    failure.textContent = error.name === "InvalidStateError"
      ? "This device has a passkey for this account already."
      : "The browser or the authenticator gave no passkey. Try again, or use another way.";
    failure.hidden = false;
    return;
  }
  form.submit();
});
