// The diagram of a run: hosts are rows, time goes to the right, a message is a line from its sending to its arrival; above them faults, copies and the ring.
//
// A hundred thousand messages must follow a wheel. So they lie in typed arrays, sorted by sending; the visible ones are found by halving; where lines would lie on top
// of each other the picture is a field instead, one sum for every two pixels and gap between rows; and nothing of the page is made or changed for a message.

const MESSAGE_GROUPS = ['heartbeats', 'files', 'blocks', 'copies', 'members', 'tokens', 'other'];

// By the numbers of core/wire/schema.h, which come in tens.
function messageGroup(number) {
  if (number >= 80 && number < 90) return 0;
  if (number >= 20 && number < 60) return 1;
  if (number >= 90 && number < 95) return 2;
  if (number === 95 || number >= 67 && number <= 70 || number === 73 || number === 74) return 3;
  if (number >= 60 && number < 80) return 4;
  return number >= 10 && number < 20 ? 5 : 6;
}

// How many of `count` come before the first for which `not` holds, when it holds for all after that too.
function halve(count, not) {
  let a = 0, b = count;
  while (a < b) { const m = (a + b) >> 1; if (not(m)) b = m; else a = m + 1; }
  return a;
}

// Intervals sorted by their begin; `last` is the latest end so far, which only grows, so that what is visible is one range of them.
function visibleRange(begin, last, count, from, to) {
  return [halve(count, i => last[i] >= from), halve(count, i => begin[i] > to)];
}

function makeMessages(data, flat, text) {
  const WIDTH = 8, count = flat.length / WIDTH, lines = text.split('\n');
  const order = new Uint32Array(count).map((_, i) => i).sort((a, b) => flat[a * WIDTH] - flat[b * WIDTH] || a - b);
  const column = (Type, place) => Type.from(order, i => flat[i * WIDTH + place]);
  const m = { count, sent: column(Float64Array, 0), arrive: Float64Array.from(order, i => flat[i * WIDTH] + flat[i * WIDTH + 1]), from: column(Uint16Array, 2), to: column(Uint16Array, 3),
    lost: column(Uint8Array, 4), kind: column(Uint8Array, 5), bytes: column(Float64Array, 6), more: column(Uint32Array, 7), last: new Float64Array(count) };
  for (let i = 0, most = 0; i < count; i++) m.last[i] = most = Math.max(most, m.arrive[i]);
  m.group = m.kind.map(messageGroup);
  m.fields = i => lines[order[i]];
  m.sums = () => m.group.reduce((sums, g) => { sums[g]++; return sums; }, MESSAGE_GROUPS.map(() => 0));
  // One for each message: do all words stand in it? null: no words.
  let hay = null;
  m.matching = words => {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    if (!wanted.length) return null;
    hay ??= Array.from(order, (line, i) => `${data.hosts[m.from[i]]} ${data.hosts[m.to[i]]} ${data.message_names[m.kind[i]]} ${m.lost[i] ? 'lost ' : ''}${lines[line]}`.toLowerCase());
    return Uint8Array.from(hay, text => +wanted.every(word => text.includes(word)));
  };
  return m;
}

// Rows of the diagram from above to below: [name, kind, top, height]; hosts' `line` is where messages end.
function layRows(data, failures, block, operationLevels) {
  const rows = [], hostHeight = Math.max(9, Math.min(30, 560 / data.hosts.length));
  let top = 20;
  const add = (kind, name, height, more) => { rows.push({ kind, name, top, height, ...more }); top += height; };
  if (failures.length) add('failures', 'failures', 20);
  if (data.faults.length) add('faults', 'faults', 12 + 14 * Math.min(4, data.faultLevels));
  if (data.samples.length) add('copies', 'copies', 34);
  if (block !== null) add('block', 'block', 16);
  add('ring', 'in the ring', 22);
  top += 8;
  data.hosts.forEach((name, host) => {
    const above = operationLevels[host] * 7;
    add('host', name, hostHeight + above, { host, line: top + above + hostHeight / 2 });
  });
  return { rows, height: top + 6, hosts: rows.filter(row => row.kind === 'host'), of: kind => rows.find(row => row.kind === kind) };
}

// A level for each interval, so that those of one level do not overlap; at most `most` levels, the last one takes the rest.
function levels(intervals, most) {
  const free = [];
  return intervals.map(([from, to]) => {
    let level = free.findIndex(end => end <= from);
    if (level < 0) level = free.length < most ? free.length : most - 1;
    free[level] = Math.max(free[level] ?? 0, to);
    return level;
  });
}

function makeDiagram({ data, messages, failures, canvas, overview, tip, chose, title, counted }) {
  const LEFT = 78, RIGHT = 14, HIT = 7, LINES_MAX = 2500, CROWD = 700, LABELS_MAX = 30, DOTS_MAX = 600, CELL = 2, LONG = 6, LOST_MARKS_MAX = 400;
  const pen = canvas.getContext('2d'), small = overview.getContext('2d'), field = document.createElement('canvas');
  const end = Math.max(data.end_ms * 1000, 1), shownGroups = MESSAGE_GROUPS.map(() => true);
  let from = 0, to = end, chosen = null, block = null, matching = null, hidden = null, waiting = false, tones = {}, lay = null, width = 0;

  // Intervals --------------------------------------------------------------------------------------------------------------

  const operations = data.operations.map((o, index) => ({ index, host: o[0], kind: o[1], from: o[3] * 1000, to: (o[4] ?? data.end_ms) * 1000, answered: o[4] != null, ok: o[5] === 'OK' })).sort((a, b) => a.from - b.from);
  const operationLevels = data.hosts.map(() => 0);
  data.hosts.forEach((_, host) => {
    const own = operations.filter(o => o.host === host);
    levels(own.map(o => [o.from, o.to]), 4).forEach((level, i) => { own[i].level = level; operationLevels[host] = Math.max(operationLevels[host], level + 1); });
  });
  const faults = data.faults.map(([, kind, host, a, b], index) => ({ index, kind, host, from: a * 1000, to: b == null ? null : b * 1000 }));
  // A name needs room of its own: a fault is as long as its name at the least, in the view of the whole run.
  levels(faults.map(f => [f.from, Math.max(f.to ?? 0, f.from + end / 12)]), 4).forEach((level, i) => { faults[i].level = level; });
  data.faultLevels = faults.reduce((most, f) => Math.max(most, f.level + 1), 0);
  const outside = []; // [host, from, to] where it was no member of the ring
  const members = [[0, data.data_servers]];
  {
    const gone = new Map();
    data.ring.forEach(([ms, host, what]) => {
      if (what === 'evicted' && !gone.has(host)) gone.set(host, ms * 1000);
      else if (what === 'joined' && gone.has(host)) { outside.push([host, gone.get(host), ms * 1000]); gone.delete(host); } else return;
      members.push([ms * 1000, data.data_servers - gone.size]);
    });
    gone.forEach((at, host) => outside.push([host, at, end]));
  }

  // Places -----------------------------------------------------------------------------------------------------------------

  const scale = () => (width - LEFT - RIGHT) / (to - from);
  const x = t => LEFT + (t - from) * scale();
  const time = px => from + (px - LEFT) / scale();
  const line = host => lay.hosts[host].line;
  const relay = () => { lay = layRows(data, failures, block, operationLevels); };
  const alive = i => hidden === null || hidden[i] === 0;
  const within = () => visibleRange(messages.sent, messages.last, messages.count, from, to);
  const tone = name => tones[name] ??= getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();

  function fit(surface, context, height) {
    const r = window.devicePixelRatio || 1, w = surface.clientWidth;
    if (surface.width !== Math.round(w * r) || surface.height !== Math.round(height * r)) {
      surface.width = Math.round(w * r);
      surface.height = Math.round(height * r);
      surface.style.height = height + 'px';
    }
    context.setTransform(r, 0, 0, r, 0, 0);
    context.clearRect(0, 0, w, height);
    return w;
  }
  function inside(draw) { // nothing of it over the names on the left
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, 0, width - LEFT, lay.height);
    pen.clip();
    draw();
    pen.restore();
  }
  function path(draw, stroke, thick = 1) {
    pen.strokeStyle = stroke;
    pen.lineWidth = thick;
    pen.beginPath();
    draw();
    pen.stroke();
  }
  function vertical(px, top, bottom) { pen.moveTo(px, top); pen.lineTo(px, bottom); }
  function text(words, px, py, colour = tone('ink')) { pen.fillStyle = colour; pen.fillText(words, px, py); }

  // The time ---------------------------------------------------------------------------------------------------------------

  function drawTime() {
    const wanted = (to - from) / Math.max(2, (width - LEFT) / 110), ten = 10 ** Math.floor(Math.log10(wanted)), step = Math.max(1, [1, 2, 5, 10].find(k => k * ten >= wanted) * ten);
    const digits = Math.max(0, Math.min(6, 6 - Math.floor(Math.log10(step) + 1e-9)));
    path(() => { for (let t = Math.ceil(from / step) * step; t <= to; t += step) vertical(Math.round(x(t)) + 0.5, 16, lay.height); }, tone('line'));
    for (let t = Math.ceil(from / step) * step; t <= to; t += step) {
      const words = `${(t / 1e6).toFixed(digits)} s`;
      text(words, Math.min(x(t) + 3, width - pen.measureText(words).width - 1), 12, tone('soft'));
    }
  }

  // Rows above the hosts ------------------------------------------------------------------------------------------------------

  function copiesTone(copies, anywhere) { return anywhere === 0 ? tone('bad') : copies < data.replication ? tone('warn') : copies === data.replication ? tone('good') : tone('g3'); }

  // One look after the other; of those that share a pixel the worst is shown, for it is what one looks for.
  function eachLook(draw) {
    const all = data.samples;
    let at = Math.max(0, halve(all.length, i => all[i][0] * 1000 > from) - 1);
    const lacks = s => { let n = 0; for (let k = 0; k < data.replication; k++) n += s[3 + k] * (data.replication - k); return n; };
    while (at < all.length && all[at][0] * 1000 <= to) {
      const px = Math.round(x(all[at][0] * 1000));
      let worst = at, next = at + 1;
      for (; next < all.length && Math.round(x(all[next][0] * 1000)) === px; next++) if (lacks(all[next]) > lacks(all[worst])) worst = next;
      const until = next < all.length ? Math.round(x(all[next][0] * 1000)) : Math.round(x(end));
      draw(all[worst], Math.max(px, LEFT), Math.min(until, width - RIGHT));
      at = next;
    }
  }
  function drawCopies() {
    const row = lay.of('copies');
    if (!row) return;
    const most = Math.max(1, data.samples.reduce((n, s) => Math.max(n, s.slice(3).reduce((a, b) => a + b, 0)), 0)), tall = row.height - 6;
    eachLook((look, px, until) => {
      const [, , lost, none, ...by] = look, few = none - lost + by.slice(0, data.replication - 1).reduce((a, b) => a + b, 0);
      let bottom = row.top + row.height - 2;
      for (const [n, colour] of [[lost, 'bad'], [few, 'warn'], [by[data.replication - 1], 'good'], [by[data.replication], 'g3']]) {
        const h = n === 0 ? 0 : Math.max(1.5, n / most * tall); // one lonely block must be seen too
        pen.fillStyle = tone(colour);
        if (h > 0) pen.fillRect(px, bottom - h, until - px, h);
        bottom -= h;
      }
    });
  }
  function drawBlock() {
    const row = lay.of('block');
    if (!row) return;
    const [, , , ...changes] = data.blocks[block];
    changes.forEach(([ms, copies, hosts, anywhere], i) => {
      const px = Math.max(LEFT, x(ms * 1000)), until = Math.min(width - RIGHT, x(i + 1 < changes.length ? changes[i + 1][0] * 1000 : end));
      if (copies < 0 || until < px) return;
      pen.fillStyle = copiesTone(copies, anywhere);
      pen.fillRect(px, row.top + 2, Math.max(1, until - px), row.height - 4);
      if (until - px > 14) text(String(copies), px + 3, row.top + row.height - 4.5, tone('card'));
      pen.fillStyle = tone('accent');
      hosts.forEach(host => pen.fillRect(px, line(host) + 5, Math.max(1, until - px), 3));
    });
  }
  function drawRing() {
    const row = lay.of('ring'), tall = row.height - 8;
    members.forEach(([at, n], i) => {
      const px = Math.max(LEFT, x(at)), until = Math.min(width - RIGHT, x(members[i + 1]?.[0] ?? end));
      if (until <= px) return;
      pen.fillStyle = n === data.data_servers ? tone('good-soft') : tone('warn-soft');
      pen.fillRect(px, row.top + 4, until - px, tall);
      if (until - px > 44) text(`${n} of ${data.data_servers}`, px + 5, row.top + row.height - 7.5);
    });
  }
  function drawFaults() {
    const row = lay.of('faults');
    if (!row) return;
    faults.forEach(f => {
      const px = x(f.from), until = Math.max(px + 3, f.to === null ? px : x(f.to)), top = row.top + 4 + 14 * f.level;
      if (px > width || Math.max(until, px + 90) < LEFT) return;
      pen.fillStyle = tone('warn');
      pen.globalAlpha = 0.45;
      pen.fillRect(px, top, until - px, 12);
      pen.globalAlpha = 1;
      pen.fillRect(px, top, 3, 12);
      const words = `${f.kind}${f.host < 0 ? '' : ' ' + data.hosts[f.host]}`;
      if (faults.length <= 60 || until - px > pen.measureText(words).width) text(words, Math.min(Math.max(px, LEFT) + 6, width - RIGHT - pen.measureText(words).width), top + 10);
    });
  }

  // Hosts ----------------------------------------------------------------------------------------------------------------------

  function drawHosts() {
    const tall = Math.min(8, lay.hosts[0].height * 0.4), soft = { up: 'good-soft', paused: 'warn-soft', down: 'bad-soft' };
    const bar = (host, a, b, draw) => { const px = Math.max(LEFT, x(a)), until = Math.min(width - RIGHT, x(b)); if (until >= px) draw(px, line(host) - tall / 2, Math.max(1, until - px), tall); };
    data.spans.forEach(([host, a, b, state]) => bar(host, a * 1000, b * 1000, (...r) => { pen.fillStyle = tone(soft[state]); pen.fillRect(...r); }));
    pen.setLineDash([4, 3]);
    pen.lineWidth = 1;
    pen.strokeStyle = tone('bad');
    outside.forEach(([host, a, b]) => bar(host, a, b, (...r) => pen.strokeRect(...r)));
    pen.setLineDash([]);
  }
  function operationBox(o) {
    const px = Math.max(LEFT - 2, x(o.from)), until = Math.min(width, x(o.to));
    return [px, line(o.host) - 12 - 7 * o.level, Math.max(2, until - px), 5.5];
  }
  function drawOperations() {
    const drawn = new Map();
    for (const o of operations) {
      if (o.from > to) break;
      if (o.to < from) continue;
      // Of those that fall on the same pixel one is drawn, for each kind of outcome.
      const box = operationBox(o), key = (o.host * 4 + o.level) * 4 + (!o.answered ? 2 : o.ok ? 0 : 1), right = Math.round(box[0] + box[2]);
      if (drawn.get(key) >= right) continue;
      drawn.set(key, right);
      pen.fillStyle = !o.answered ? tone('bad') : tone({ put: 'g1', abort_put: 'g1', get: 'g2', range_get: 'g2' }[o.kind] ?? 'g6');
      if (!o.answered || o.ok) pen.fillRect(...box);
      else { pen.globalAlpha = 0.25; pen.fillRect(...box); pen.globalAlpha = 1; pen.strokeStyle = tone('warn'); pen.lineWidth = 1; pen.strokeRect(box[0] + 0.5, box[1] + 0.5, Math.max(1, box[2] - 1), box[3] - 1); }
    }
  }
  function drawMarks() {
    pen.lineWidth = 2;
    data.ring.forEach(([ms, host, what]) => {
      const px = x(ms * 1000), py = line(host);
      if (px < LEFT || px > width) return;
      path(() => {
        if (what === 'evicted') { pen.moveTo(px - 4.5, py - 4.5); pen.lineTo(px + 4.5, py + 4.5); pen.moveTo(px + 4.5, py - 4.5); pen.lineTo(px - 4.5, py + 4.5); }
        else if (what === 'joined') { pen.moveTo(px - 5, py); pen.lineTo(px + 5, py); pen.moveTo(px, py - 5); pen.lineTo(px, py + 5); }
        else { pen.moveTo(px, py - 5); pen.lineTo(px + 4, py); pen.lineTo(px, py + 5); pen.lineTo(px - 4, py); pen.closePath(); }
      }, what === 'joined' ? tone('good') : tone(what === 'evicted' ? 'bad' : 'warn'), 2);
    });
    pen.fillStyle = tone('warn');
    faults.forEach(f => {
      const px = x(f.from);
      if (f.host < 0 || px < LEFT || px > width) return;
      pen.beginPath(); pen.moveTo(px, line(f.host) - 4); pen.lineTo(px + 5, line(f.host) + 5); pen.lineTo(px - 5, line(f.host) + 5); pen.fill();
    });
  }
  function drawFailures() {
    const row = lay.of('failures'), named = chosen?.kind === 'failure' ? chosen.index : 0;
    failures.forEach((f, i) => {
      const px = Math.round(x(f.at));
      if (px < LEFT || px > width) return;
      path(() => vertical(px, row.top, lay.height), tone('bad'), chosen?.kind === 'failure' && i === named ? 3 : 1);
      pen.fillStyle = tone('bad');
      pen.beginPath(); pen.moveTo(px, row.top); pen.lineTo(px + (px > width - 60 ? -13 : 13), row.top + 6); pen.lineTo(px, row.top + 12); pen.fill();
    });
    if (!failures.length) return;
    const px = x(failures[named].at), words = failures[named].name, wide = pen.measureText(words).width, left = px + 18 + wide > width ? px - 18 - wide : px + 17;
    if (px < LEFT || px > width) return;
    pen.fillStyle = tone('card'); // over the flags of others
    pen.fillRect(left - 3, row.top - 1, wide + 6, 15);
    text(words, left, row.top + 11, tone('bad'));
  }

  // Messages -------------------------------------------------------------------------------------------------------------------

  const wholeX = i => { const m = messages; return [x(m.sent[i]), x(m.arrive[i])]; };

  function strokeLines(list, colour, dash) {
    pen.setLineDash(dash);
    // Short paths: a long one is slow to fill.
    for (let a = 0; a < list.length; a += 200) {
      path(() => {
        for (const i of list.slice(a, a + 200)) { const [p, q] = wholeX(i); pen.moveTo(p, line(messages.from[i])); pen.lineTo(q, line(messages.to[i])); }
      }, colour);
    }
    pen.setLineDash([]);
  }
  function drawLines(list, named = list.length <= LABELS_MAX) {
    const byGroup = MESSAGE_GROUPS.map(() => []);
    list.forEach(i => byGroup[messages.group[i]].push(i));
    byGroup.forEach((some, g) => {
      strokeLines(some, tone('g' + g), []);
      if (list.length > DOTS_MAX) return;
      pen.fillStyle = tone('g' + g);
      some.forEach(i => { pen.beginPath(); pen.arc(x(messages.arrive[i]), line(messages.to[i]), 2.4, 0, 7); pen.fill(); });
    });
    if (named) drawLabels(list);
  }
  // A name stands on its line where no other name stands; without such a place it is left out.
  function drawLabels(list) {
    const taken = [], free = (left, top, wide) => !taken.some(([l, t, w]) => left < l + w && l < left + wide && Math.abs(top - t) < 13);
    list.forEach(i => {
      const [p, q] = wholeX(i), a = line(messages.from[i]), b = line(messages.to[i]), words = data.message_names[messages.kind[i]], wide = pen.measureText(words).width + 4;
      for (const share of [0.35, 0.55, 0.2, 0.75]) {
        const left = Math.min(p + (q - p) * share + 4, width - wide), top = a + (b - a) * share;
        if (!free(left, top, wide)) continue;
        taken.push([left, top, wide]);
        text(words, left, top, tone('g' + messages.group[i]));
        return;
      }
    });
  }
  function drawLost(list) {
    const seen = new Set(), marks = list.filter(i => { const key = `${Math.round(x(messages.sent[i]))} ${messages.from[i]} ${messages.to[i]}`; return !seen.has(key) && seen.add(key); }).slice(0, LOST_MARKS_MAX);
    strokeLines(marks, tone('bad'), [3, 3]);
    path(() => marks.forEach(i => {
      const [p, q] = wholeX(i), cx = (p + q) / 2, cy = (line(messages.from[i]) + line(messages.to[i])) / 2;
      pen.moveTo(cx - 4, cy - 4); pen.lineTo(cx + 4, cy + 4); pen.moveTo(cx + 4, cy - 4); pen.lineTo(cx - 4, cy + 4);
    }), tone('bad'), 1.5);
  }

  // How many messages cross each gap between two rows, for each CELL pixels: sums of groups, made of steps where a message enters and leaves a gap.
  function drawField(list) {
    const lanes = data.hosts.length, gaps = lanes - 1, columns = Math.ceil((width - LEFT) / CELL), groups = MESSAGE_GROUPS.length, sums = new Int32Array(columns * lanes * groups), k = scale() / CELL;
    for (const i of list) {
      const column = Math.min(columns - 1, Math.max(0, ((messages.sent[i] - from) * k) | 0)), a = messages.from[i], b = messages.to[i], base = (column * groups + messages.group[i]) * lanes;
      sums[base + (a < b ? a : b)]++;
      sums[base + (a < b ? b : a)]--;
    }
    const total = new Uint32Array(columns * gaps), first = new Uint8Array(columns * gaps);
    let most = 1;
    for (let c = 0; c < columns; c++) {
      const best = new Uint32Array(gaps);
      for (let g = 0; g < groups; g++) {
        let n = 0;
        for (let y = 0; y < gaps; y++) {
          n += sums[(c * groups + g) * lanes + y];
          total[c * gaps + y] += n;
          if (n > best[y]) { best[y] = n; first[c * gaps + y] = g; }
        }
      }
    }
    for (let i = 0; i < total.length; i++) if (total[i] > most) most = total[i];
    paintField(columns, gaps, total, first, most);
  }
  function paintField(columns, gaps, total, first, most) {
    const image = new ImageData(columns, gaps), rgb = MESSAGE_GROUPS.map((_, g) => [1, 3, 5].map(at => parseInt(tone('g' + g).slice(at, at + 2), 16))), grade = 215 / Math.log1p(most);
    for (let c = 0; c < columns; c++) {
      for (let y = 0; y < gaps; y++) {
        const n = total[c * gaps + y], to = (y * columns + c) * 4;
        if (n === 0) continue;
        image.data.set(rgb[first[c * gaps + y]], to);
        image.data[to + 3] = 40 + grade * Math.log1p(n);
      }
    }
    field.width = columns;
    field.height = gaps;
    field.getContext('2d').putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    for (let y = 0; y < gaps; y++) {
      const clear = Math.min(5, lay.hosts[0].height * 0.25), top = line(y) + clear, below = operationLevels[y + 1] ? lay.hosts[y + 1].top + 2 : line(y + 1) - clear; // a client's operations stand clear of it
      pen.drawImage(field, 0, y, columns, 1, LEFT, top, columns * CELL, Math.max(1, below - top));
    }
  }
  const room = new Uint32Array(messages.count), roomShort = new Uint32Array(messages.count); // not made anew for every redraw
  function drawMessages() {
    const [a, b] = within(), lost = [];
    let n = 0;
    for (let i = a; i < b; i++) {
      if (messages.arrive[i] < from || !alive(i)) continue;
      if (messages.lost[i]) lost.push(i); else room[n++] = i;
    }
    const list = room.subarray(0, n), few = n <= CROWD;
    if (few) drawLines(list); else drawMany(list);
    drawLost(lost);
    counted(n + lost.length, messages.count, few ? '' : ', too many for lines: zoom in');
  }
  // Those that are long enough to be told apart are lines all the same.
  function drawMany(list) {
    const wide = LONG / scale(), long = [];
    let n = 0;
    for (const i of list) {
      if (messages.arrive[i] - messages.sent[i] <= wide) roomShort[n++] = i;
      else if (long.length <= LINES_MAX) long.push(i);
    }
    if (long.length > LINES_MAX) { drawField(list); return; }
    drawField(roomShort.subarray(0, n));
    drawLines(long, false);
  }
  // Where the kept ones end, lest the emptiness behind be taken for silence.
  function drawKept() {
    const px = data.messages_more && messages.count ? x(messages.sent[messages.count - 1]) : NaN, words = 'later messages were not kept';
    if (!(px >= LEFT && px <= width)) return;
    pen.setLineDash([2, 4]);
    path(() => vertical(px, line(0) - 12, lay.height), tone('soft'));
    pen.setLineDash([]);
    text(words, Math.min(px + 6, width - pen.measureText(words).width - 2), line(0) + (line(1) - line(0)) / 2 + 4, tone('soft'));
  }
  function drawChosen() {
    if (chosen?.kind === 'message') {
      const i = chosen.index, [p, q] = wholeX(i), a = line(messages.from[i]), b = line(messages.to[i]);
      path(() => { pen.moveTo(p, a); pen.lineTo(q, b); }, tone('ink'), 3);
      pen.fillStyle = tone('ink');
      pen.beginPath(); pen.arc(p, a, 3, 0, 7); pen.arc(q, b, 5, 0, 7); pen.fill();
    }
    if (chosen?.kind === 'operation') {
      const [px, py, w, h] = operationBox(operations.find(o => o.index === chosen.index));
      pen.strokeStyle = tone('ink'); pen.lineWidth = 2; pen.strokeRect(px - 1.5, py - 1.5, w + 3, h + 3);
    }
    if (chosen?.at !== undefined && chosen.kind !== 'message') path(() => vertical(x(chosen.at), 16, lay.height), tone('accent'), 1);
  }
  function drawNames() {
    let last = -20;
    for (const row of lay.rows) {
      const py = row.line !== undefined ? row.line + 4 : row.top + row.height / 2 + 4;
      if (row.kind === 'host' && py - last < 11) continue; // too many hosts for all names
      text(row.name, 4, py, row.kind === 'host' ? tone('ink') : tone('soft'));
      last = py;
    }
  }
  function draw() {
    waiting = false;
    width = fit(canvas, pen, lay.height);
    pen.font = '12px system-ui, sans-serif';
    inside(() => { drawTime(); drawFaults(); drawCopies(); drawBlock(); drawRing(); drawHosts(); drawMessages(); drawKept(); drawOperations(); drawMarks(); drawFailures(); drawChosen(); });
    drawNames();
    drawOverview();
  }
  function redraw() {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  }

  // The whole run, small: how many messages when, what is visible, where something failed -----------------------------------------------

  let crowd = null; // counts by pixel; made anew when the width or what is hidden changes
  function drawOverview() {
    const tall = 34, w = fit(overview, small, tall), place = t => LEFT + t / end * (w - LEFT - RIGHT), bins = Math.max(1, Math.floor(w - LEFT - RIGHT));
    if (crowd === null || crowd.length !== bins) {
      crowd = new Uint32Array(bins);
      for (let i = 0; i < messages.count; i++) if (alive(i)) crowd[Math.min(bins - 1, messages.sent[i] / end * bins | 0)]++;
    }
    const most = crowd.reduce((a, b) => Math.max(a, b), 1);
    small.fillStyle = tone('page');
    small.fillRect(LEFT, 0, w - LEFT - RIGHT, tall);
    small.fillStyle = tone('idle');
    crowd.forEach((n, i) => { if (n) { const h = 3 + Math.sqrt(n / most) * (tall - 5); small.fillRect(LEFT + i, tall - h, 1, h); } });
    small.fillStyle = tone('warn');
    faults.forEach(f => small.fillRect(place(f.from), 0, 2, 7));
    small.fillStyle = tone('bad');
    data.ring.forEach(([ms, , what]) => { if (what === 'evicted') small.fillRect(place(ms * 1000), 0, 2, 7); });
    failures.forEach(f => small.fillRect(Math.min(place(f.at), w - RIGHT - 2), 0, 2.5, tall));
    small.strokeStyle = tone('accent');
    small.lineWidth = 2;
    const a = place(from), b = Math.max(a + 3, place(to));
    small.strokeRect(a + 1, 1, b - a - 2, tall - 2);
    small.globalAlpha = 0.12;
    small.fillStyle = tone('accent');
    small.fillRect(a, 0, b - a, tall);
    small.globalAlpha = 1;
    small.font = '12px system-ui, sans-serif';
    small.fillStyle = tone('soft');
    small.fillText('whole run', 4, tall / 2 + 4);
  }

  // Moving ------------------------------------------------------------------------------------------------------------------------

  function view(a, b) {
    const span = Math.min(Math.max(b - a, 20), end);
    from = Math.min(Math.max(a, 0), end - span);
    to = from + span;
    redraw();
  }
  const zoom = (factor, at = (from + to) / 2) => view(at - (at - from) * factor, at + (to - at) * factor);
  function hide() {
    hidden = null;
    crowd = null;
    if (matching !== null || shownGroups.includes(false)) hidden = messages.group.map((g, i) => shownGroups[g] && (matching === null || matching[i]) ? 0 : 1);
    redraw();
  }
  function choose(item) {
    chosen = item;
    const other = item?.kind === 'block' ? item.index : item === null ? null : block;
    if (other !== block) { block = other; relay(); }
    redraw();
  }
  // Goes where `at` is in the middle; as near as a twentieth of a second around it, or the whole block's life.
  function reveal(item, at) {
    if (at === undefined) view(0, end);
    else { const half = Math.min(end / 40, 250000); view(at - half, at + half); }
    if (canvas.getBoundingClientRect().top < 0 || canvas.getBoundingClientRect().top > innerHeight * 0.6) canvas.scrollIntoView({ block: 'center' });
  }

  // Pointing ----------------------------------------------------------------------------------------------------------------------

  const nearest = (list, distance) => list.reduce((best, one) => { const far = distance(one); return far < best[0] ? [far, one] : best; }, [HIT, null])[1];

  // Of those that lie on top of each other the one after the chosen one, so that clicks go through all of them.
  function hitMessage(px, py) {
    const [a, b] = visibleRange(messages.sent, messages.last, messages.count, time(px - HIT), time(px + HIT)), near = [];
    let best = HIT;
    for (let i = a; i < b; i++) {
      if (!alive(i) || messages.arrive[i] < time(px - HIT)) continue;
      const [p, q] = wholeX(i), y = line(messages.from[i]), dx = q - p, dy = line(messages.to[i]) - y, s = Math.min(1, Math.max(0, ((px - p) * dx + (py - y) * dy) / (dx * dx + dy * dy || 1)));
      const far = Math.hypot(px - p - s * dx, py - y - s * dy);
      if (far >= HIT) continue;
      best = Math.min(best, far);
      near.push([far, i]);
    }
    const here = near.filter(([far]) => far <= best + 1).map(([, i]) => i);
    if (!here.length) return null;
    const place = chosen?.kind === 'message' ? (here.indexOf(chosen.index) + 1) % here.length : 0;
    return { kind: 'message', index: here[place], place: place + 1, here: here.length };
  }
  function hitMark(px, py) {
    const ring = nearest(data.ring.map((r, i) => i), i => Math.hypot(px - x(data.ring[i][0] * 1000), py - line(data.ring[i][1])));
    if (ring !== null) return { kind: 'ring', index: ring };
    const fault = nearest(faults.filter(f => f.host >= 0), f => Math.hypot(px - x(f.from), py - line(f.host)));
    if (fault !== null) return { kind: 'fault', index: fault.index };
    const operation = operations.find(o => { const [l, t, w, h] = operationBox(o); return o.from <= to && o.to >= from && px >= l - 1 && px <= l + w + 1 && py >= t - 1 && py <= t + h + 1; });
    return operation ? { kind: 'operation', index: operation.index } : null;
  }
  function hitRow(row, px, py) {
    if (row.kind === 'faults') {
      const fault = faults.filter(f => { const t = row.top + 4 + 14 * f.level; return py >= t && py <= t + 14 && px >= x(f.from) - 2 && px <= Math.max(x(f.to ?? f.from), x(f.from) + pen.measureText(f.kind + ' dd').width + 8); }).at(-1);
      return fault ? { kind: 'fault', index: fault.index } : null;
    }
    if (row.kind === 'copies') return { kind: 'sample', index: Math.max(0, halve(data.samples.length, i => data.samples[i][0] * 1000 > time(px)) - 1) };
    if (row.kind === 'block') return { kind: 'block', index: block };
    if (row.kind === 'ring') { const i = nearest(data.ring.map((_, k) => k), k => Math.abs(px - x(data.ring[k][0] * 1000))); return i === null ? null : { kind: 'ring', index: i }; }
    return null;
  }
  function hit(px, py) {
    const row = lay.rows.find(r => py >= r.top && py < r.top + r.height);
    const failure = nearest(failures.map((_, i) => i), i => row?.kind === 'failures' ? Math.abs(px - x(failures[i].at)) : Math.abs(px - x(failures[i].at)) * 2.5);
    if (row?.kind === 'host' && px < LEFT) return { kind: 'host', index: row.host };
    if (px < LEFT) return null;
    const mark = row?.kind === 'host' ? hitMark(px, py) : null;
    if (mark) return mark;
    if (failure !== null) return { kind: 'failure', index: failure };
    return (row && row.kind !== 'host' ? hitRow(row, px, py) : null) ?? hitMessage(px, py);
  }

  // The next visible message in the order of sending; the first one when none is chosen.
  function stepMessage(by) {
    const [a, b] = within();
    let i = chosen?.kind === 'message' ? chosen.index + by : by > 0 ? a : b - 1;
    while (i >= 0 && i < messages.count && !alive(i)) i += by;
    if (i < 0 || i >= messages.count) return;
    if (messages.sent[i] < from || messages.sent[i] > to) { const half = (to - from) / 2; view(messages.sent[i] - half, messages.sent[i] + half); }
    chose({ kind: 'message', index: i });
  }
  function stepFailure() {
    if (failures.length) chose({ kind: 'failure', index: chosen?.kind === 'failure' ? (chosen.index + 1) % failures.length : 0 });
  }
  function key(e) {
    const step = (to - from) / 5;
    const act = { ArrowLeft: () => view(from - step, to - step), ArrowRight: () => view(from + step, to + step), '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2), 0: () => view(0, end),
      n: () => stepMessage(1), p: () => stepMessage(-1), f: stepFailure, Escape: () => chose(null) }[e.key];
    if (!act || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    act();
  }
  function point(e) { // while nothing is held: what is here
    const item = hit(e.offsetX, e.offsetY);
    tip.hidden = item === null;
    if (item === null) return;
    tip.textContent = title(item);
    tip.style.left = Math.max(0, Math.min(e.offsetX + 12, width - tip.offsetWidth - 4)) + 'px';
    tip.style.top = e.offsetY + 16 + 'px';
  }

  let grip = null; // [x, from, to, moved]
  canvas.addEventListener('wheel', e => { if (e.shiftKey) return; e.preventDefault(); zoom(e.deltaY > 0 ? 1.3 : 1 / 1.3, time(Math.max(LEFT, e.offsetX))); }, { passive: false });
  canvas.addEventListener('pointerdown', e => { grip = [e.offsetX, from, to, false]; canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener('pointermove', e => {
    if (!grip) { point(e); return; }
    if (Math.abs(e.offsetX - grip[0]) < 4 && !grip[3]) return;
    grip[3] = true;
    tip.hidden = true;
    const by = (e.offsetX - grip[0]) * (grip[2] - grip[1]) / (width - LEFT - RIGHT);
    view(grip[1] - by, grip[2] - by);
  });
  canvas.addEventListener('pointerup', e => {
    const moved = grip?.[3];
    grip = null;
    if (!moved) chose(hit(e.offsetX, e.offsetY));
  });
  canvas.addEventListener('pointercancel', () => { grip = null; });
  canvas.addEventListener('pointerleave', () => { tip.hidden = true; });
  canvas.addEventListener('keydown', key);
  let held = false;
  const centre = e => { const at = (e.offsetX - LEFT) / (overview.clientWidth - LEFT - RIGHT) * end, half = (to - from) / 2; view(at - half, at + half); };
  overview.addEventListener('pointerdown', e => { held = true; overview.setPointerCapture(e.pointerId); centre(e); });
  overview.addEventListener('pointermove', e => { if (held) centre(e); });
  overview.addEventListener('pointerup', () => { held = false; });
  addEventListener('resize', redraw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { tones = {}; redraw(); });

  relay();
  draw();
  return { choose, reveal, zoom, draw, whole: () => view(0, end), view, filter: words => { matching = messages.matching(words); hide(); }, show: (group, on) => { shownGroups[group] = on; hide(); },
    range: () => [from, to],
    // Where the middle of a message, or a failure, is on the canvas.
    place: item => item.kind === 'failure' ? [x(failures[item.index].at), lay.of('failures').top + 8]
      : [(x(messages.sent[item.index]) + x(messages.arrive[item.index])) / 2, (line(messages.from[item.index]) + line(messages.to[item.index])) / 2] };
}
