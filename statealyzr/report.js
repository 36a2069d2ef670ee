/*
 * Copyright (c) 2026 The ovs-mbox authors.
 *
 * Licensed under the Apache License, Version 2.0 (the "License");
 * you may not use this file except in compliance with the License.
 * You may obtain a copy of the License at:
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 * See the License for the specific language governing permissions and
 * limitations under the License.
 */

"use strict";

/* Search and filters.  Without this the page shows everything. */
(() => {
    const rows = [...document.querySelectorAll("details.v")];
    const cards = [...document.querySelectorAll(".card")];
    const search = document.getElementById("search");
    const output = document.getElementById("output");
    const shown = document.getElementById("shown");
    const texts = new Map();

    const text = row => {
        if (!texts.has(row)) {
            texts.set(row, row.textContent.toLowerCase());
        }
        return texts.get(row);
    };
    const checked = name => new Set(
        [...document.querySelectorAll(`input[name=${name}]:checked`)]
            .map(input => input.value));

    function update() {
        const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
        const roles = checked("role"), classes = checked("class");
        let n = 0;
        for (const row of rows) {
            const d = row.dataset;
            const ok = roles.has(d.role)
                && (d.role !== "updateable" || classes.has(d.class))
                && (!output.value
                    || ` ${d.outputs} `.includes(` ${output.value} `))
                && words.every(word => text(row).includes(word));
            row.classList.toggle("hidden", !ok);
            n += ok;
        }
        for (const card of cards) {
            const mine = card.querySelectorAll("details.v");
            card.classList.toggle("hidden", mine.length > 0
                && !card.querySelector("details.v:not(.hidden)"));
        }
        shown.textContent = `${n} of ${rows.length}`;
    }

    function openTarget() {
        const target = document.getElementById(location.hash.slice(1));
        if (target && target.matches("details.v")) {
            const role = document.querySelector(
                `input[name=role][value="${target.dataset.role}"]`);
            role.checked = true;
            search.value = "";
            update();
            target.open = true;
            target.scrollIntoView();
        }
    }

    search.addEventListener("input", update);
    document.querySelector(".bar").addEventListener("change", update);
    document.getElementById("open").addEventListener("click", () => {
        const visible = rows.filter(r => !r.classList.contains("hidden"));
        const open = visible.some(r => !r.open);
        visible.forEach(r => { r.open = open; });
    });
    document.addEventListener("keydown", event => {
        if (event.key === "/" && event.target !== search) {
            event.preventDefault();
            search.focus();
            search.select();
        }
    });
    window.addEventListener("hashchange", openTarget);
    document.querySelector(".bar").classList.remove("hidden");
    update();
    openTarget();
})();
