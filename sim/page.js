// The page around the diagram: what came of the run, what is chosen, events, blocks.
(() => {
  const data = JSON.parse(document.getElementById('data').textContent), result = data.result;
  const at = id => document.getElementById(id);
  const messages = makeMessages(data, JSON.parse(at('messages').textContent), at('fields').textContent);
  const ROWS_SHOWN = 1000, BLOCKS_SHOWN = 300, NEAR_US = 2e6, NEAR_ROWS = 8;

  // Elements are made, not written: nothing in a run can become markup.
  function element(tag, attributes, ...inside) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value);
    }
    made.append(...inside.filter(x => x != null));
    return made;
  }
  const put = (where, ...inside) => at(where).replaceChildren(...inside);
  const count = (n, one, more) => `${n.toLocaleString('en')} ${n === 1 ? one : more || one + 's'}`;
  const said = us => us >= 1e6 ? `${(us / 1e6).toFixed(6)} s` : us >= 1000 ? `${(us / 1000).toFixed(3)} ms` : `${us} us`;
  const hostName = h => data.hosts[h] ?? '';

  // What failed -----------------------------------------------------------------------------------------------------------

  const failed = result.expectations.filter(e => !e.ok);
  const failures = result.violations.map(v => ({ at: v.at_ms * 1000, name: v.checker, host: v.host || '', words: v.message, when: `at ${v.at_ms / 1000} s` }))
    .concat(failed.map(e => ({ at: (e.at_ms ?? data.end_ms) * 1000, name: `expectation ${e.index}`, host: '', words: e.message || '',
      when: e.at_ms == null ? 'known at the end' : `at ${e.at_ms / 1000} s` })));
  // The reason says again what violations and expectations have said; only the rest of it is news.
  const rest = (result.reason || '').split('\n').filter(line => line.trim() && !failures.some(f => f.words && line.includes(f.words)));
  const buttons = failures.map((f, i) => element('button', { class: 'failure', onclick: () => choose({ kind: 'failure', index: i }, true) },
    element('b', {}, f.name), ` ${f.when}${f.host ? ' on ' + f.host : ''}`, element('br'), f.words));

  function showFailures() {
    const more = result.stats.violations_not_shown, fine = result.expectations.length - failed.length;
    const box = [element('h3', {}, failures.length ? 'What failed' : result.verdict === 'pass' ? 'Nothing failed' : `Verdict: ${result.verdict}`)];
    if (!failures.length && result.verdict === 'pass') box.push(element('p', { class: 'fine' }, 'No checker saw a broken promise.'));
    box.push(...buttons);
    if (more) box.push(element('p', { class: 'soft' }, `and ${count(more, 'violation')} more`));
    box.push(...rest.map(line => element('p', {}, line)));
    if (result.expectations.length) box.push(element('p', { class: 'soft' }, `${fine} of ${result.expectations.length} expectations came about.`));
    put('failures', ...box);
  }

  // The head --------------------------------------------------------------------------------------------------------------

  function showHead() {
    const verdicts = { pass: 'Every promise was kept.', fail: 'A promise was broken.', stuck: 'The cluster did not come to rest.',
      vacuous: 'The run did not do what it was meant to test.', aborted: 'The run was ended by an assertion.' };
    const ops = Object.values(result.operations).reduce((s, x) => [s[0] + x.ok, s[1] + x.failed], [0, 0]);
    const clients = data.hosts.length - 2 - data.data_servers, first = failures[0];
    const words = result.verdict !== 'fail' ? verdicts[result.verdict] || '' : result.violations.length ? verdicts.fail : 'Something expected did not come about.';
    at('title').append(result.scenario, element('span', { class: `verdict ${result.verdict}` }, result.verdict));
    at('summary').append(`${words} ${count(data.data_servers, 'data server')}, ${count(clients, 'client')}, ${(result.virtual_ms / 1000).toFixed(1)} s of simulated time: `
      + `${count(data.faults.length, 'fault')}, ${count(result.evictions.length, 'eviction')}, ${count(result.repairs.copies, 'copy', 'copies')} repaired`
      + (first ? `; the first failure is ${first.name} ${first.when}.` : '.'));
    at('description').append(data.description, element('br'), `Seed ${result.seed}, trace hash ${result.trace_hash}.`);
    const cards = [[result.messages.toLocaleString('en'), 'messages'], [result.events.toLocaleString('en'), 'events'],
      [ops[0].toLocaleString('en'), 'operations answered OK'], [ops[1].toLocaleString('en'), 'answered with an error'], [`${result.stats.under_replicated.longest_ms} ms`, 'longest lack of copies']];
    put('cards', ...cards.map(([a, b]) => element('div', { class: 'card' }, element('b', {}, String(a)), element('span', {}, b))));
  }

  // What is chosen ----------------------------------------------------------------------------------------------------------

  // {a: 1, b: {c: 2}, d: [{e: 3}]} is a 1, b:, c 2, d[0]:, e 3. A row without a value is the name of those below it.
  function flat(value, name, rows) {
    const parts = [];
    for (const [key, part] of Object.entries(value)) {
      const whole = name ? `${name}.${key}` : key;
      if (Array.isArray(part) && part.length) part.forEach((item, i) => parts.push([`${whole}[${i}]`, item]));
      else if (part !== null && typeof part === 'object' && !Array.isArray(part)) parts.push([whole, part]);
      else rows.push([key, Array.isArray(part) ? 'none' : part === '' ? '""' : String(part)]);
    }
    parts.forEach(([whole, part]) => { rows.push([whole]); flat(part, whole, rows); });
    return rows;
  }
  const describe = {
    message: i => {
      const m = messages, kind = data.message_names[m.kind[i]] || 'unknown';
      return { title: `${kind}  ${hostName(m.from[i])} \u2192 ${hostName(m.to[i])}`, at: m.sent[i],
        rows: [['sent at', said(m.sent[i])], m.lost[i] ? ['lost', 'it never arrived'] : ['arrived after', said(m.arrive[i] - m.sent[i])], ['size', `${m.bytes[i].toLocaleString('en')} bytes`]],
        fields: flat(JSON.parse(m.fields(i)), '', []), more: m.more[i] };
    },
    operation: i => {
      const [host, kind, path, asked, answered, status, words] = data.operations[i];
      return { title: `${kind} by ${hostName(host)}`, at: asked * 1000, rows: [['path', path], ['asked at', said(asked * 1000)],
        ['answer', status], ...(answered == null ? [] : [['after', said(Math.round((answered - asked) * 1000))]]), ...(words ? [['in words', words]] : [])] };
    },
    fault: i => {
      const [index, kind, host, from, to] = data.faults[i];
      return { title: `fault: ${kind}`, at: from * 1000, rows: [['of the scenario', `number ${index}`], ['on', host < 0 ? 'no one host' : hostName(host)], ['from', said(from * 1000)],
        ['until', to == null ? 'never undone' : said(to * 1000)]] };
    },
    ring: i => {
      const [ms, host, what] = data.ring[i], words = { evicted: 'metadata takes it out of the ring: its copies are made anew elsewhere', joined: 'a member of the ring again',
        suspected: 'a heartbeat is missing', fenced: 'it has lost its lease and serves no writes' };
      return { title: `${hostName(host)} ${what}`, at: ms * 1000, rows: [['at', said(ms * 1000)], ['that is', words[what]]] };
    },
    sample: i => {
      const [ms, active, lost, ...by] = data.samples[i];
      return { title: 'copies of all blocks', at: ms * 1000, rows: [['looked at', said(ms * 1000)], ['servers in the ring', active],
        ...by.map((n, k) => [`${k > data.replication ? 'more than ' + data.replication : k} good ${k === 1 ? 'copy' : 'copies'} on active servers`, count(n, 'block')]), ['on no disk of a running server', count(lost, 'block')]] };
    },
    host: i => ({ title: hostName(i), rows: data.spans.filter(s => s[0] === i).map(([, a, b, state]) => [state, `${said(Math.round(a * 1000))} to ${said(Math.round(b * 1000))}`]) }),
    block: i => {
      const [path, index, generation, ...changes] = data.blocks[i];
      return { title: `block ${index} of ${path || 'a file'}`, rows: [['generation', generation], ...changes.map(([ms, n, hosts, anywhere]) => [said(Math.round(ms * 1000)),
        n < 0 ? 'removed' : anywhere === 0 ? 'on no disk' : hosts.map(hostName).join(', ') || 'on no active server'])] };
    },
    failure: i => ({ title: failures[i].name, at: failures[i].at, rows: [], near: failures[i].at })
  };
  const table = rows => element('table', {}, element('tbody', {}, ...rows.map(([a, b]) => b === undefined ? element('tr', {}, element('th', { scope: 'rowgroup', colspan: 2 }, a))
    : element('tr', {}, element('th', { scope: 'row' }, String(a)), element('td', {}, String(b))))));

  function before(us) {
    const near = data.rows.filter(row => row[0] * 1000 <= us && row[0] * 1000 > us - NEAR_US).slice(-NEAR_ROWS).reverse();
    return [element('p', { class: 'soft' }, near.length ? 'What happened just before, the latest first:' : 'Nothing was noted in the two seconds before.'), table(near.map(row => [said(Math.round(row[0] * 1000)), `${row[1]} ${row[2]} ${row[3]}`]))];
  }
  function showChosen(item) {
    buttons.forEach((b, i) => b.classList.toggle('chosen', item?.kind === 'failure' && item.index === i));
    if (!item) {
      put('chosen', element('h3', {}, 'Nothing chosen'), element('p', { class: 'soft' }, 'Click a message, an operation, a fault or any other mark in the diagram.'));
      return;
    }
    if (item.kind === 'failure') buttons[item.index].scrollIntoView({ block: 'nearest' });
    const it = describe[item.kind](item.index), inside = [element('h3', {}, it.title), table(it.rows)];
    if (item.here > 1) inside.push(element('p', { class: 'soft' }, `${item.place} of ${item.here} messages here: click again for the next.`));
    if (it.near !== undefined) inside.push(...before(it.near));
    if (it.fields) inside.push(element('h3', { style: 'margin-top: 10px' }, 'Fields'), table(it.fields));
    if (it.more) inside.push(element('p', { class: 'soft', id: 'more' }, `and ${it.more} more: the page keeps the first ${it.fields.filter(row => row.length === 2).length}`));
    put('chosen', ...inside);
  }
  function choose(item, jump) {
    showChosen(item);
    diagram.choose(item);
    if (item && jump) diagram.reveal(item, describe[item.kind](item.index).at);
  }

  // Events, blocks ----------------------------------------------------------------------------------------------------------

  const pressed = act => ({ tabindex: 0, onclick: act, onkeydown: e => { if (e.key === 'Enter' || e.key === ' ') { e.preventDefault(); act(); } } });
  function goTo(ms, line) {
    document.querySelectorAll('tr.now').forEach(r => r.classList.remove('now'));
    line.classList.add('now');
    diagram.reveal(null, ms * 1000);
  }
  function showRows() {
    const words = at('find').value.toLowerCase(), kind = at('kind').value;
    const hit = data.rows.filter(w => (!kind || w[1] === kind) && (!words || w.join(' ').toLowerCase().includes(words)));
    put('rows', ...hit.slice(0, ROWS_SHOWN).map(w => {
      const line = element('tr', { class: /evicted|crashed|block_bad|fenced/.test(w[1] + w[3]) ? 'bad' : w[1] === 'fault' ? 'fault' : '', ...pressed(() => goTo(w[0], line)) },
        element('td', { class: 'number' }, w[0].toFixed(3)), element('td', {}, w[1]), element('td', {}, w[2]), element('td', {}, w[3]));
      return line;
    }));
    put('count', `${hit.length} of ${count(data.rows.length, 'event')}` + (hit.length > ROWS_SHOWN ? `, the first ${ROWS_SHOWN} shown` : '') + (data.rows_more ? `; ${data.rows_more} later ones were not kept` : ''));
  }

  const blocks = data.blocks.map(([path, index, , ...changes], i) => {
    let fewest = Infinity, lack = 0;
    changes.forEach(([ms, n], k) => {
      if (n < 0) return;
      const until = k + 1 < changes.length ? changes[k + 1][0] : data.end_ms;
      fewest = Math.min(fewest, n);
      if (n < data.replication) lack += until - ms;
    });
    const last = changes.at(-1);
    return { i, path, index, fewest: fewest === Infinity ? '' : fewest, lack, end: !last || last[1] < 0 ? 'removed' : last[2].map(hostName).join(', ') || 'no active server' };
  }).sort((a, b) => a.fewest - b.fewest || b.lack - a.lack);
  function showBlocks() {
    const words = at('find-block').value.toLowerCase(), hit = blocks.filter(b => !words || b.path.toLowerCase().includes(words));
    put('blocks', ...hit.slice(0, BLOCKS_SHOWN).map(b => element('tr', pressed(() => choose({ kind: 'block', index: b.i }, true)),
      element('td', {}, b.path), ...[b.index, b.fewest, Math.round(b.lack)].map(x => element('td', { class: 'number' }, String(x))), element('td', {}, b.end))));
    put('block-count', `${hit.length} of ${count(blocks.length, 'block')}, those with the fewest copies first` + (hit.length > BLOCKS_SHOWN ? `, ${BLOCKS_SHOWN} shown` : '')
      + (data.blocks_more ? `; ${data.blocks_more} more were only counted` : '') + '. Choose one to see it in the diagram.');
  }

  // Legend ------------------------------------------------------------------------------------------------------------------

  function showLegend() {
    const sums = messages.sums();
    put('groups', element('span', { class: 'soft' }, 'Messages:'), ...MESSAGE_GROUPS.map((name, g) => sums[g] === 0 ? null : element('button', { 'aria-pressed': 'true', onclick: e => {
      const on = e.currentTarget.getAttribute('aria-pressed') !== 'true';
      e.currentTarget.setAttribute('aria-pressed', on);
      diagram.show(g, on);
    } }, element('span', { class: 'swatch', style: `background: var(--g${g})` }), `${name} ${sums[g].toLocaleString('en')}`)).filter(Boolean));
    const key = (style, words) => element('span', {}, element('span', { class: 'swatch', style }), words);
    const line = (name, ...keys) => element('div', {}, element('b', {}, name), ...keys);
    put('legend',
      line('hosts', key('background: var(--good-soft)', 'up'), key('background: var(--warn-soft)', 'paused'), key('background: var(--bad-soft)', 'down'),
        key('border-color: var(--bad); border-style: dashed', 'not in the ring'), element('span', {}, '\u2715 evicted  + joined  \u25c7 suspected or fenced  \u25b2 fault')),
      line('operations', key('background: var(--g1)', 'write'), key('background: var(--g2)', 'read'), key('background: var(--g6)', 'other'), key('border-color: var(--warn)', 'answered with an error'), key('background: var(--bad)', 'never answered')),
      line('blocks', key('background: var(--good)', 'all copies on active servers'), key('background: var(--warn)', 'too few there'), key('background: var(--bad)', 'on no disk of a running server'), key('background: var(--g3)', 'more than asked for')),
      line('messages', element('span', {}, 'a line goes from sender to receiver, a dot is its arrival; dashed red with a cross: lost; where there are too many, a field is as dark as it is busy')));
  }

  // What the diagram does not have, because there is too much of it: the later ones of each kind.
  function showLeftOut() {
    const kinds = [[data.operations_more, data.operations, 'operation'], [data.faults_more, data.faults, 'fault'], [data.ring_more, data.ring, 'change of the ring', 'changes of the ring']];
    const words = kinds.filter(k => k[0]).map(([more, kept, one, many]) => `${count(more, one, many)} after the first ${kept.length.toLocaleString('en')}`);
    at('left-out').hidden = !words.length;
    put('left-out', words.length ? `Counted only, not drawn: ${words.join('; ')}.` : '');
  }

  const diagram = makeDiagram({ data, messages, failures, canvas: at('lanes'), overview: at('overview'), tip: at('tip'),
    chose: item => choose(item, item?.kind === 'failure'),
    title: item => describe[item.kind](item.index).title + (item.kind === 'failure' ? ': click for its words' : ''),
    counted: (here, all, how) => put('message-count', `${here.toLocaleString('en')} of ${count(all, 'message')} here${how}` + (data.messages_more ? `; ${data.messages_more.toLocaleString('en')} later ones were not kept` : '')) });
  showFailures(); showHead(); showLegend(); showLeftOut(); showRows(); showBlocks();
  [...new Set(data.rows.map(w => w[1]))].sort().forEach(kind => at('kind').append(element('option', {}, kind)));
  at('find').oninput = at('kind').onchange = showRows;
  at('find-block').oninput = showBlocks;
  at('find-message').oninput = e => diagram.filter(e.target.value);
  at('zoom-in').onclick = () => diagram.zoom(0.5);
  at('zoom-out').onclick = () => diagram.zoom(2);
  at('zoom-all').onclick = () => diagram.whole();
  choose(failures.length ? { kind: 'failure', index: 0 } : null, false);
  const follow = () => { const t = /#t=([\d.]+)/.exec(location.hash); if (t) diagram.reveal(null, t[1] * 1e6); };
  addEventListener('hashchange', follow);
  follow();
  window.dfsPage = { data, messages, failures, diagram, choose };
})();
