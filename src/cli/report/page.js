/* SPDX-License-Identifier: Apache-2.0 */
"use strict";
/* Holds the events that stand on this page against the checkpoint on it, and that against its key.
   What is checked is the text that is shown; where an entry's text could deceive, its bytes stand beside it. */
(async () => {
	const get = id => document.getElementById(id);
	const utf8 = text => new TextEncoder().encode(text);
	const bytes = base64 => Uint8Array.from(atob(base64), c => c.charCodeAt(0));
	const equal = (a, b) => a.length === b.length && a.every((v, i) => v === b[i]);
	const hex = b => Array.from(b, v => v.toString(16).padStart(2, "0")).join("");
	const sha256 = async (...parts) => {
		const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
		let at = 0;
		for (const p of parts) {
			all.set(p, at);
			at += p.length;
		}
		return new Uint8Array(await crypto.subtle.digest("SHA-256", all));
	};
	const box = get("check"), command = get("command").textContent;
	const say = (state, title, ...lines) => {
		box.className = state;
		box.replaceChildren();
		const strong = document.createElement("strong");
		strong.textContent = title;
		box.append(strong);
		for (const text of lines) {
			const p = document.createElement("p");
			p.textContent = text;
			box.append(p);
		}
	};

	/* The hash of each neighbour on the way from a leaf up to the root (RFC 9162, 2.1.3.2). */
	const rootOf = async (leaf, index, size, others) => {
		let at = index, last = size - 1, hash = leaf;
		for (const other of others.map(bytes)) {
			if (last === 0)
				return null;
			if (at % 2 === 1 || at === last) {
				hash = await sha256([1], other, hash);
				while (at > 0 && at % 2 === 0) {
					at = Math.floor(at / 2);
					last = Math.floor(last / 2);
				}
			} else {
				hash = await sha256([1], hash, other);
			}
			at = Math.floor(at / 2);
			last = Math.floor(last / 2);
		}
		return last === 0 ? hash : null;
	};

	/* "ok", "bad", or why it cannot be told. */
	const signature = async (note, vkey) => {
		const cut = note.indexOf("\n\n"), text = note.slice(0, cut + 1);
		const [name, id, ...rest] = vkey.split("+"), key = bytes(rest.join("+"));
		if (key.length !== 33 || key[0] !== 1 || hex((await sha256(utf8(name + "\n"), key)).slice(0, 4)) !== id)
			return "bad";
		if (text.split("\n")[0] !== name)
			return "bad";
		let publicKey;
		try {
			publicKey = await crypto.subtle.importKey("raw", key.slice(1), { name: "Ed25519" }, false, ["verify"]);
		} catch (why) {
			return "this browser has no Ed25519";
		}
		for (const line of note.slice(cut + 2).split("\n")) {
			if (!line.startsWith("\u2014 " + name + " "))
				continue;
			const signed = bytes(line.slice(line.lastIndexOf(" ") + 1));
			if (signed.length === 68 && hex(signed.slice(0, 4)) === id)
				return await crypto.subtle.verify({ name: "Ed25519" }, publicKey, signed.slice(4), utf8(text)) ? "ok" : "bad";
		}
		return "bad";
	};

	try {
		if (!globalThis.crypto || !crypto.subtle) {
			say("doubt", "Not checked: this browser does not let a file use WebCrypto.", "Run: " + command);
			return;
		}
		const note = get("checkpoint").textContent, vkey = get("vkey").textContent;
		const [, sizeText, rootText] = note.split("\n"), size = Number(sizeText), root = bytes(rootText);
		const proofs = JSON.parse(get("proofs").textContent), failed = [];
		for (const { index, path } of proofs) {
			const item = get("e" + index), mark = item && item.querySelector(".mark"), entry = get("t" + index);
			let good = false;
			if (entry && path !== null && Number.isSafeInteger(index) && index < size) {
				const raw = entry.dataset.entry === undefined ? utf8(entry.textContent) : bytes(entry.dataset.entry);
				const got = await rootOf(await sha256([0], raw), index, size, path);
				good = got !== null && equal(got, root);
			}
			if (!good)
				failed.push(index);
			if (mark) {
				mark.textContent = good ? "in the log" : "NOT IN THE LOG";
				mark.className = good ? "mark ok" : "mark bad";
			}
			if (item && !good)
				item.classList.add("open-bad");
		}
		const shown = document.querySelectorAll("details.event").length;
		const signed = await signature(note, vkey);
		const isTrusted = box.dataset.trusted === "1";
		const origin = isTrusted ? "The key is the one that was given to who made this page: compare it with yours." :
			"The key came with the evidence and proves nothing by itself: compare it with the one that you were given.";
		if (failed.length > 0 || shown !== proofs.length)
			say("bad", failed.length > 0 ?
				"FAILED: " + failed.length + " of " + proofs.length + " events on this page are not what the log has." :
				"FAILED: " + shown + " events stand on this page, and " + proofs.length + " proofs.",
				failed.length > 0 ? "Entries: " + failed.slice(0, 20).join(", ") + (failed.length > 20 ? ", and more" : "") : "",
				"Run: " + command);
		else if (signed === "bad")
			say("bad", "FAILED: the checkpoint is not signed by the key on this page.", "Run: " + command);
		else if (signed !== "ok")
			say("doubt", "Checked: " + proofs.length + " events are in the log under the checkpoint of " + size +
				" entries. Its signature was not checked: " + signed + ".", "Run: " + command);
		else
			say(isTrusted ? "ok" : "doubt", "Checked by this page: " + proofs.length + " events are in the log under the checkpoint of " + size +
				" entries, and the checkpoint is signed" + (isTrusted ? "." : " by the key on this page."), origin);
	} catch (why) {
		say("bad", "FAILED: this page cannot be checked, something on it was changed.", String(why), "Run: " + command);
	}
})();
